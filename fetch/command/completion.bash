# bash completion for mailhaul: mailhaul completion bash > /etc/bash_completion.d/mailhaul
_mailhaul() {
	local cur=${COMP_WORDS[COMP_CWORD]} words
	words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
	case $cur in
	-*) words+=("$cur") ;;
	esac
	COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o default -F _mailhaul mailhaul
