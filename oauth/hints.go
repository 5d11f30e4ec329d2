package oauth

import "github.com/mailhaul/mailhaul/oauth/provider"

// entraErrors are Microsoft's error numbers (AADSTS...) that people meet.
func entraErrors() map[string]knownError {
	return map[string]knownError{
		"16000":   {KindNeedsLogin, "several accounts are signed in: choose the one of this mailbox"},
		"50011":   {KindConfig, "register http://localhost as a redirect URI under \"Mobile and desktop applications\""},
		"50013":   {KindConfig, "the client assertion was not accepted: is this certificate the registered one?"},
		"50020":   {KindConfig, "the user is not of this tenant: personal accounts need provider microsoft-consumer, others the right tenant"},
		"50034":   {KindConfig, "the user does not exist in this tenant: check user and tenant; personal accounts need provider microsoft-consumer"},
		"50053":   {KindDenied, "the account is locked, or this address is blocked, after too many sign-ins"},
		"50057":   {KindDenied, "the account is disabled"},
		"50059":   {KindConfig, "set tenant to the organisation's id or domain"},
		"50076":   {KindNeedsLogin, "multi-factor authentication is wanted now"},
		"50078":   {KindNeedsLogin, "multi-factor authentication is wanted again"},
		"50079":   {KindNeedsLogin, "the user must set up multi-factor authentication, in the browser"},
		"50105":   {KindDenied, "an administrator must assign the user to the application"},
		"50126":   {KindDenied, "user name or password is wrong"},
		"50132":   {KindNeedsLogin, "the password was changed or the session revoked"},
		"50133":   {KindNeedsLogin, "the password was changed or has expired"},
		"50158":   {KindNeedsLogin, "a further check is wanted, in the browser"},
		"50173":   {KindNeedsLogin, "the password was changed since the last login"},
		"50194":   {KindConfig, "the registration is for one tenant only: set tenant to the organisation's id or domain"},
		"53000":   {KindDenied, "conditional access wants a managed device: ask the administrator"},
		"53001":   {KindDenied, "conditional access wants a joined device: ask the administrator"},
		"53003":   {KindDenied, "blocked by conditional access, often of the device flow: try the browser flow, or ask the administrator"},
		"65001":   {KindNeedsLogin, "consent is missing: grant it at the login, or ask the administrator to grant POP.AccessAsUser.All"},
		"65004":   {KindDenied, "consent was declined"},
		"70000":   {KindNeedsLogin, "the login was revoked, or does not cover the scopes that are asked for now"},
		"70008":   {KindNeedsLogin, "the login has expired from inactivity"},
		"70011":   {KindConfig, "a scope is wrong; for POP3 it is https://outlook.office.com/POP.AccessAsUser.All"},
		"70016":   {KindTemporary, ""},
		"70019":   {KindExpired, "the device code has expired"},
		"70043":   {KindNeedsLogin, "an administrator's policy limits how long a login lasts"},
		"90002":   {KindConfig, "there is no such tenant"},
		"90006":   {KindTemporary, ""},
		"90033":   {KindTemporary, ""},
		"90094":   {KindDenied, "an administrator must consent to the application"},
		"90095":   {KindDenied, "an administrator must consent: a request was sent to them"},
		"500011":  {KindConfig, "the scope names a resource that this tenant does not have; app-only wants https://outlook.office365.com/.default"},
		"500113":  {KindConfig, "register http://localhost as a redirect URI"},
		"500341":  {KindDenied, "the account was deleted"},
		"530003":  {KindDenied, "conditional access wants a managed device: ask the administrator"},
		"700003":  {KindDenied, "the device was deleted from the directory"},
		"700016":  {KindConfig, "there is no client of this client_id in this tenant: check both, and which accounts the registration allows"},
		"700024":  {KindConfig, "the client assertion is not valid at this time: is the clock right?"},
		"700025":  {KindConfig, "the registration is a public client: take client_secret out"},
		"700027":  {KindConfig, "the certificate is not among those registered for the client"},
		"700082":  {KindNeedsLogin, "the login was not used for 90 days"},
		"700084":  {KindNeedsLogin, "the registration is a single-page one, whose logins last a day: register \"Mobile and desktop\" instead"},
		"7000012": {KindNeedsLogin, "the login was made in another tenant"},
		"7000112": {KindConfig, "the application is disabled"},
		"7000215": {KindConfig, "the client secret is wrong: configure the secret's value, not its id"},
		"7000218": {KindConfig, "set \"Allow public client flows\" to Yes in the registration, or configure its client_secret"},
		"7000229": {KindConfig, "the application has no service principal in this tenant: an administrator must consent to it there first"},
		"7000222": {KindConfig, "the client secret has expired: make a new one in the registration"},
		"9002313": {KindConfig, "the request is malformed: check client_id, tenant and scopes"},
		"9002331": {KindConfig, "this registration is for personal accounts: use provider microsoft-consumer"},
		"9002346": {KindConfig, "this registration is for personal accounts: use provider microsoft-consumer"},
	}
}

// codeHint is advice on an OAuth2 error code. Empty fields match everything;
// text is lower case and part of the description.
type codeHint struct {
	code, provider, text string
	flows                []provider.Flow
	knownError
}

// codeHints are searched in order.
func codeHints() []codeHint {
	service := []provider.Flow{provider.ServiceAccount}
	return []codeHint{
		{"access_denied", "google", "", nil, knownError{hint: "was the consent declined? While the registration is in \"Testing\", only its listed test users may log in"}},
		{"admin_policy_enforced", "google", "", nil, knownError{KindDenied, "the Workspace administrator must allow this client_id (API controls)"}},
		{"org_internal", "google", "", nil, knownError{KindConfig, "the registration is for users of its own organisation only"}},
		{"invalid_grant", "google", "invalid jwt", service, knownError{KindConfig, "is the clock right, and does the key file belong to the service account?"}},
		{"invalid_grant", "google", "", service, knownError{KindConfig, "is subject a user of the domain, and does the service account still exist?"}},
		{"invalid_grant", "google", "", nil, knownError{hint: "Google ends a login after 7 days while the registration is in \"Testing\" (publish it), " +
			"after 6 months without use, and when the password changes"}},
		{"invalid_scope", "google", "", []provider.Flow{provider.Device}, knownError{KindConfig, "Google does not allow mail with the device flow: use flow browser, on a headless machine with --paste"}},
		{"unauthorized_client", "google", "", service, knownError{KindConfig, "the Workspace administrator must grant domain-wide delegation to the service account's client id, for the scope https://mail.google.com/"}},
		{"invalid_client", "google", "", nil, knownError{KindConfig, "check client_id and client_secret; a \"Desktop app\" client has a secret that must be configured"}},
		{"invalid_request", "google", "client_secret", nil, knownError{KindConfig, "configure the client_secret of the \"Desktop app\" client"}},
		{"deleted_client", "", "", nil, knownError{KindConfig, "the registration was deleted: make a new one"}},
		{"redirect_uri_mismatch", "", "", nil, knownError{KindConfig, "the registration must be one for desktop apps, or name this machine's redirect URI"}},
		{"invalid_client", "", "", nil, knownError{KindConfig, "check client_id and client_secret"}},
		{"invalid_scope", "", "", nil, knownError{KindConfig, "check scopes, and what the registration allows"}},
		{"unauthorized_client", "", "", nil, knownError{KindConfig, "the registration does not allow this flow"}},
		{"unsupported_grant_type", "", "", nil, knownError{KindConfig, "the provider does not have this flow"}},
		{"expired_token", "", "", nil, knownError{KindExpired, "start again, and enter the code within its time"}},
		{"access_denied", "", "", nil, knownError{hint: "the consent was declined, or an administrator does not allow it"}},
		{"invalid_grant", "", "", service, knownError{KindConfig, "is the clock right, and are key file and subject?"}},
		{"invalid_grant", "", "", nil, knownError{hint: "the login has expired or was revoked"}},
	}
}
