// Package autoconf finds the POP3 server of a mail address: in the files that
// providers publish for mail programs (autoconfig, the config-v1.1.xml form),
// in Thunderbird's database of them, in the DNS (RFC 6186), and at last by
// trying usual names.
//
// Nothing here knows a password, and only the domain of an address is sent
// anywhere. Answers come by https or from the DNS, are bounded in size and
// time, and are proposals: a person confirms them before they are used.
package autoconf
