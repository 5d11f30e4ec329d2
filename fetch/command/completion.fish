# fish completion for mailhaul: mailhaul completion fish > ~/.config/fish/completions/mailhaul.fish
function __mailhaul_complete
	set -l words (commandline -opc)
	set -l cur (commandline -ct)
	if string match -q -- '-*' $cur
		set words $words $cur
	end
	$words --generate-bash-completion 2>/dev/null
end
complete -c mailhaul -a '(__mailhaul_complete)'
