# bash completion for mailhaul: mailhaul completion bash > /etc/bash_completion.d/mailhaul
_mailhaul() {
	# bash breaks words at @, : and =, which names and values may hold: look at
	# the line itself, and answer with what is missing from bash's own word on.
	local line=${COMP_LINE:0:COMP_POINT} word=${COMP_WORDS[COMP_CWORD]} words cur found rest
	read -a words <<<"$line"
	words=("${words[@]//[\"\']/}")
	cur=${line##*[[:space:]]}
	[[ -n $cur ]] || words+=("")
	[[ $word == [@:=] ]] && word=
	local before=${cur%"$word"}
	before=${before%@} # readline replaces from the @ on
	COMPREPLY=()
	while IFS=$'\t' read -r found rest; do
		case $found in
		:files*) compopt -o default ;; # readline completes its own word
		:dirs*) compopt -o dirnames ;;
		"$cur"*) COMPREPLY+=("${found#"$before"}") ;;
		esac
	done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
	[[ ${COMPREPLY[*]} != *[:/] ]] || compopt -o nospace
}
complete -F _mailhaul mailhaul
