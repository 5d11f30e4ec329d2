package files

import (
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName leaves room for a number: file systems take 255 octets, encrypted ones
// (eCryptfs) 143.
const maxName = 130

// safeName makes the name of a file of what a message calls an attachment: no path, no
// control or invisible characters, nothing that a system reserves, of bounded length.
func safeName(name, kind string) string {
	name = strings.ToValidUTF8(name, "_")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
			return -1
		case unicode.IsControl(r), strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	name = strings.Trim(strings.TrimLeft(name, ". "), " .")
	if name == "" {
		name = "attachment" + usualExt(kind)
	}
	if reserved(name) || name[0] == '-' { // an option in "rm *"
		name = "_" + name
	}
	if len(name) > maxName {
		ext := path.Ext(name)
		if len(ext) > maxName/4 {
			ext = ""
		}
		name = strings.TrimRight(shorten(name[:len(name)-len(ext)], maxName-len(ext)), " .") + ext
	}
	return name
}

// reserved reports whether Windows has a device of this name, with any extension.
func reserved(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	base = strings.TrimSpace(base)
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, base) {
		return true
	}
	port, ok := strings.CutPrefix(base, "COM")
	if !ok {
		port, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789¹²³")
}

// usualExt is the extension of a file without a name.
func usualExt(kind string) string {
	return map[string]string{
		"application/pdf": ".pdf", "application/xml": ".xml", "text/xml": ".xml", "text/plain": ".txt", "text/html": ".html",
		"image/jpeg": ".jpg", "image/png": ".png", "image/tiff": ".tif", "message/rfc822": ".eml",
	}[kind]
}

// shorten cuts a text to n octets, between characters.
func shorten(s string, n int) string {
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:min(n, len(s))]
}
