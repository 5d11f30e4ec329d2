# fish completion for mailhaul: mailhaul completion fish > ~/.config/fish/completions/mailhaul.fish
function __mailhaul_complete
	set -l words (commandline -opc)
	set -l cur (commandline -ct)
	set -l program $words[1]
	set -e words[1]
	for line in ($program __complete $words "$cur" 2>/dev/null)
		set -l before (string replace -r '^:[a-z]+ ?' '' -- $line)
		set -l path (string replace -- "$before" '' "$cur")
		switch $line
			case ':files*'
				for name in (complete -C "'' $path")
					echo $before$name
				end
			case ':dirs*'
				for name in (__fish_complete_directories $path)
					echo $before$name
				end
			case '*'
				echo $line
		end
	end
end
complete -c mailhaul -f -a '(__mailhaul_complete)'
