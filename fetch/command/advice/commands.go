package advice

// What commands say of their own errors, for [Give].
const (
	ListAccounts  = "Nothing was done; `mailhaul status` lists the accounts."
	MakeConfig    = "Run `mailhaul init` to make one, name one with --config FILE, or fetch without: mailhaul fetch --from pop3s://USER@HOST --to maildir:PATH"
	ConfigOwner   = "Nothing was fetched or changed. Run it as the owner of that file, or name another one with --config FILE."
	EnableAccount = "Nothing was changed. Take `enabled: false` out, or name the account on the command line."
	NoPassword    = "Set `password` in the configuration; with --from, set MAILHAUL_PASSWORD or use --password-command."
	NoOAuth       = "See docs/oauth.md, or mailhaul.yaml(5) under oauth."
	KeyPair       = "Nothing was fetched or changed. client_cert and client_key are PEM files that belong together."
	Tunnel        = "The command of `tunnel` has to be the connection to the server: run it by hand as this user."
	silentTunnel  = "The command of `tunnel` made no connection in the time that `timeouts.connect` gives it: run it by hand as this user."
	Before        = "The account's `before` command has to end with 0 before anything is fetched: run it by hand as this user."
	brokenList    = "No account of it is fetched, the others are. Fix it there, then run `mailhaul check`."
	staleList     = "New and changed accounts wait, and none is taken out. Fix it there, then run `mailhaul check`."
	rejected      = "These accounts are left out, the others are fetched. Fix them there, then run `mailhaul check`; every key: man mailhaul.yaml."
	Restart       = "To take it over, restart loop."
	SavePlan      = "Name another FILE; nothing was changed, here or on the server."
	NamePlan      = "Nothing was done; `mailhaul plan --save FILE` writes such a file."
	NoReceived    = "Verify without --server compares them with what was delivered."
	NameManifest  = "Nothing was checked; `mailhaul state export --manifest` prints one."
	BadManifest   = "It is not what `mailhaul state export --manifest` wrote: compare it with a copy, or make a new one."
	NameExport    = "Nothing was imported. Name a file that `mailhaul state export` wrote, or - for standard input."
	ExportLines   = "It wants lines as `mailhaul state export` prints them, or such as {\"uid\":\"...\"}."

	TargetPassword = "It is the password of the mailbox that the mail goes to: set `password` of the target in the configuration; with --to, " +
		"set MAILHAUL_TO_PASSWORD or use --to-password-command."
	OtherConfig     = "Name another file with --config FILE."
	OwnClient       = "Register a client of your own with the provider: docs/oauth.md."
	NoKeyring       = "Keep the password in a file or have a command print it instead."
	WriteImport     = "Without --write the YAML is printed, to be added by hand; or name another file with --config FILE."
	OtherPassword   = "Move it away and run the import again."
	NoPOP3          = "Only POP3 accounts are imported; if they are in another file: mailhaul import FORMAT FILE"
	StopProgram     = "Nothing was imported. Stop it first: it writes its list when it ends, and what it fetches meanwhile would come twice. --force goes on all the same."
	NameOneOfThese  = "No list was imported; name one of these."
	NoSeenList      = "Without one everything on the server is fetched. Name it with --state-file, or go on with --force."
	SeenListUnfit   = "Find the cause above; --force imports it all the same."
	usage           = "Nothing was done; `mailhaul help` lists the commands."
	fixConfig       = "Fix this, then run `mailhaul check`; every key: man mailhaul.yaml."
	fixReload       = "Fix this, run `mailhaul check`, and reload again; every key: man mailhaul.yaml."
	nothingHappened = "Nothing was fetched or changed. "
)

// Help names the help of the command that was used wrongly.
func Help(command string) string {
	return "Nothing was done; `" + command + " --help` shows how it is used."
}

// NameImport is for a program whose configuration was not found.
func NameImport(format string) string {
	return "Nothing was done. Name the file: mailhaul import " + format + " FILE"
}

// Login says how to log in.
func Login(account string) string { return "Run `mailhaul login " + account + "`." }

// ListEntries says how to see what the state has.
func ListEntries(account string) string { return "`mailhaul state ls " + account + "` lists them." }

// FetchFirst is for a state that is not there yet.
func FetchFirst(account string) string {
	return "Run `mailhaul fetch " + account + "` first, or `mailhaul plan " + account + "` to look."
}

// Salvaged says what to do with what was read of a damaged state.
func Salvaged(path, account string) string {
	return "Move " + path + " away, and add what was printed to a new state with `mailhaul state import " + account + " FILE`. " +
		"`dedupe: content` for the next fetch finds what is missing in the Maildir."
}

// ByHand says where an account goes that init may not write.
func ByHand(path string, password bool) string {
	if password {
		return "Add the account above under accounts: in " + path + " by hand, and keep the password where it says."
	}
	return "Add the account above under accounts: in " + path + " by hand."
}

// ForeignServer is for a server that only the DNS names.
func ForeignServer(server string) string {
	return "If it is the right server, say so: --server " + server
}

// ClosedProvider is for a provider that registers no clients.
func ClosedProvider(title, instead string) string {
	return title + " registers no new clients; instead of OAuth2 use " + instead + "."
}
