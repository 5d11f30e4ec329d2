// Package web is the HTTP client of targets that are reached by HTTP: deadlines that
// follow the progress of a request, answers of bounded size, no redirects, and errors
// that say whether the server may have acted.
//
// A request has no total deadline: a large message on a slow line takes its time. It
// ends when nothing was sent or received for a while.
package web
