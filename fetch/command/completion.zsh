#compdef mailhaul
# zsh completion for mailhaul: mailhaul completion zsh > "${fpath[1]}/_mailhaul"
_mailhaul() {
	local -a found
	local cur=${words[CURRENT]}
	if [[ $cur == -* ]]; then
		found=("${(@f)$(_CLI_ZSH_AUTOCOMPLETE_HACK=0 ${words[1,CURRENT]} --generate-bash-completion 2>/dev/null)}")
	else
		found=("${(@f)$(_CLI_ZSH_AUTOCOMPLETE_HACK=0 ${words[1,CURRENT-1]} --generate-bash-completion 2>/dev/null)}")
	fi
	if [[ -n ${found[1]} ]]; then
		compadd -a found
	else
		_files
	fi
}
compdef _mailhaul mailhaul
