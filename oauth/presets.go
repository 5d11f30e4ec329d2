package oauth

import "time"

const (
	day = 24 * time.Hour

	entra       = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/"
	outlookHost = "outlook.office365.com"
	loopbackIP  = "http://127.0.0.1"
	loopback    = "http://localhost"
)

// Presets returns the providers known by name, in the order to show them.
// Endpoints, scopes and traps are those that the providers document.
func Presets() []Preset {
	return []Preset{
		{
			Name: "google", Aliases: []string{"gmail", "googlemail", "workspace"}, Title: "Google",
			Hosts: []string{"pop.gmail.com", "pop.googlemail.com"}, Port: 995,
			AuthURL:   "https://accounts.google.com/o/oauth2/v2/auth",
			TokenURL:  "https://oauth2.googleapis.com/token",
			DeviceURL: "https://oauth2.googleapis.com/device/code",
			RevokeURL: "https://oauth2.googleapis.com/revoke",
			Scopes:    []string{"https://mail.google.com/"},
			Flows:     []Flow{FlowBrowser, FlowServiceAccount},
			SASL:      XOAuth2AndBearer,
			// Without prompt=consent a second login yields no refresh token.
			AuthParams:      map[string]string{"access_type": "offline", "prompt": "consent"},
			Redirect:        loopbackIP,
			RefreshIdle:     180 * day,
			TestingLifetime: 7 * day,
			AppPassword:     "with 2-step verification on, consumer accounts get one at https://myaccount.google.com/apppasswords; Workspace accounts cannot use one",
			Notes: []string{
				"register a client of the type \"Desktop app\"; its secret must be configured although it is not secret",
				"while the consent screen's publishing status is \"Testing\", a login lasts 7 days: publish it (no verification is needed for your own use)",
				"changing the Google password ends the login",
				"the device flow is not allowed for mail",
			},
		},
		{
			Name: "microsoft", Aliases: []string{"microsoft-work", "office365", "exchange-online"}, Title: "Microsoft 365 (work or school)",
			Hosts: []string{outlookHost, "outlook.office.com"}, Port: 995,
			AuthURL: entra + "authorize", TokenURL: entra + "token", DeviceURL: entra + "devicecode",
			Tenant:       "organizations",
			Scopes:       []string{"https://outlook.office.com/POP.AccessAsUser.All", "offline_access"},
			RefreshScope: true,
			Flows:        []Flow{FlowBrowser, FlowDevice},
			AppPreset:    "microsoft-app",
			Redirect:     loopback,
			RefreshIdle:  90 * day,
			AppPassword:  "Microsoft takes no passwords for POP3 any more",
			Notes: []string{
				"register a \"Mobile and desktop\" client with the redirect URI http://localhost, and set \"Allow public client flows\" to Yes",
				"many organisations want an administrator's consent, and block the device flow by conditional access",
				"POP must be enabled for the mailbox",
			},
		},
		{
			Name: "microsoft-consumer", Aliases: []string{"outlook", "outlook.com", "hotmail", "live"}, Title: "Outlook.com (personal)",
			Hosts: []string{"pop-mail.outlook.com", outlookHost}, Port: 995,
			AuthURL: entra + "authorize", TokenURL: entra + "token", DeviceURL: entra + "devicecode",
			Tenant:       "consumers",
			Scopes:       []string{"https://outlook.office.com/POP.AccessAsUser.All", "offline_access"},
			RefreshScope: true,
			Flows:        []Flow{FlowBrowser, FlowDevice},
			Redirect:     loopback,
			RefreshIdle:  90 * day,
			AppPassword:  "Microsoft takes no passwords for POP3 any more",
			Notes: []string{
				"the registration must allow personal Microsoft accounts",
				"POP is off until switched on in the settings of Outlook.com (Mail, Forwarding and IMAP)",
			},
		},
		{
			Name: "microsoft-app", Aliases: []string{"microsoft-app-only"}, Title: "Microsoft 365 (application)",
			Hosts: []string{outlookHost}, Port: 995,
			TokenURL: entra + "token",
			Scopes:   []string{"https://outlook.office365.com/.default"},
			Flows:    []Flow{FlowClientCredentials},
			Redirect: loopback,
			Notes: []string{
				"the registration needs the application permission POP.AccessAsApp with an administrator's consent",
				"in Exchange Online PowerShell: New-ServicePrincipal, then Add-MailboxPermission for each mailbox",
				"the user name is the mailbox's address",
			},
		},
		{
			Name: "yahoo", Aliases: []string{"ymail"}, Title: "Yahoo",
			Hosts: []string{"pop.mail.yahoo.com"}, Port: 995,
			AuthURL:  "https://api.login.yahoo.com/oauth2/request_auth",
			TokenURL: "https://api.login.yahoo.com/oauth2/get_token",
			Scopes:   []string{"mail-w"}, Flows: []Flow{FlowBrowser},
			SASL: XOAuth2AndBearer, AuthStyle: InHeader, Redirect: loopback, Closed: true,
			AppPassword: "get one at https://login.yahoo.com/account/security",
		},
		{
			Name: "aol", Title: "AOL",
			Hosts: []string{"pop.aol.com", "export.aol.com"}, Port: 995,
			AuthURL:  "https://api.login.aol.com/oauth2/request_auth",
			TokenURL: "https://api.login.aol.com/oauth2/get_token",
			Scopes:   []string{"mail-w"}, Flows: []Flow{FlowBrowser},
			SASL: XOAuth2AndBearer, AuthStyle: InHeader, Redirect: loopback, Closed: true,
			AppPassword: "get one at https://login.aol.com/account/security",
		},
		{
			Name: "fastmail", Title: "Fastmail",
			Hosts: []string{"pop.fastmail.com"}, Port: 995,
			AuthURL:  "https://api.fastmail.com/oauth/authorize",
			TokenURL: "https://api.fastmail.com/oauth/refresh",
			Scopes:   []string{"https://www.fastmail.com/dev/protocol-pop", "offline_access"}, Flows: []Flow{FlowBrowser},
			SASL: XOAuth2AndBearer, Redirect: loopbackIP,
			AppPassword: "get one at https://app.fastmail.com/settings/security/tokens, the practical way for one's own mail",
			Notes:       []string{"clients are registered by writing to Fastmail"},
		},
		{
			Name: "yandex", Title: "Yandex",
			Hosts: []string{"pop.yandex.com", "pop.yandex.ru"}, Port: 995,
			AuthURL: "https://oauth.yandex.com/authorize", TokenURL: "https://oauth.yandex.com/token",
			DeviceURL: "https://oauth.yandex.com/device/code", RevokeURL: "https://oauth.yandex.com/revoke_token",
			Scopes: []string{"mail:imap_full"}, Flows: []Flow{FlowBrowser, FlowDevice},
			Redirect:    loopback,
			AppPassword: "get one at https://id.yandex.com/security/app-passwords, the documented way for POP3",
			Notes:       []string{"Yandex documents OAuth for IMAP and SMTP only; POP3 may refuse the token"},
		},
		{
			Name: "mailru", Aliases: []string{"mail.ru"}, Title: "Mail.ru",
			Hosts: []string{"pop.mail.ru"}, Port: 995,
			AuthURL: "https://o2.mail.ru/login", TokenURL: "https://o2.mail.ru/token",
			Scopes: []string{"mail.imap"}, Flows: []Flow{FlowBrowser},
			AuthStyle: InHeader, Redirect: loopback,
			AppPassword: "get one at https://account.mail.ru/user/2-step-auth/passwords",
			Notes:       []string{"Mail.ru documents OAuth for IMAP and SMTP; POP3 may refuse the token"},
		},
		{
			Name: "comcast", Aliases: []string{"xfinity"}, Title: "Comcast Xfinity",
			Hosts: []string{"pop.comcast.net", "mail.comcast.net"}, Port: 995,
			AuthURL: "https://oauth.xfinity.com/oauth/authorize", TokenURL: "https://oauth.xfinity.com/oauth/token",
			Scopes: []string{"https://email.comcast.net/", "profile", "openid"}, Flows: []Flow{FlowBrowser},
			Redirect: loopback, Closed: true,
			AppPassword: "there is none: use the account's password, with \"Third Party Access Security\" allowed in Xfinity Connect's settings",
		},
	}
}
