#compdef mailhaul
# zsh completion for mailhaul: mailhaul completion zsh > "${fpath[1]}/_mailhaul"
_mailhaul() {
	local -a found open
	local line word text
	for line in "${(@f)$("${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
		word=${line%%$'\t'*} text=${line#*$'\t'}
		case $line in
		:*)
			compset -P "${(b)line#:* }"
			if [[ $line == :dirs* ]]; then _files -/; else _files; fi
			return
			;;
		*) line=${word//:/\\:}${text:+:$text} ;;
		esac
		if [[ $word == *[:/] ]]; then open+=("$line"); else found+=("$line"); fi
	done
	_describe mailhaul found -- open -S ''
}
# The first time zsh calls this file itself; a shell that sources it does not.
if [[ $funcstack[1] == _mailhaul ]]; then _mailhaul "$@"; else compdef _mailhaul mailhaul; fi
