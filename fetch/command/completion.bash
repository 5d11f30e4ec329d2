# bash completion for mailhaul: mailhaul completion bash > /etc/bash_completion.d/mailhaul
_mailhaul() {
	# bash breaks words at @ and :, which account names may hold: look at the
	# line itself, and answer with what is missing from bash's own word on.
	local line=${COMP_LINE:0:COMP_POINT} words cur word=${COMP_WORDS[COMP_CWORD]} i
	read -ra words <<<"$line"
	cur=${line##*[[:space:]]}
	[[ -z $cur || $cur == -* ]] || unset "words[${#words[@]}-1]"
	[[ $word == [@:=] ]] && word=
	COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
	local before=${cur%"$word"}
	before=${before%@} # readline replaces from the @ on
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"$before"}
	done
}
complete -o default -F _mailhaul mailhaul
