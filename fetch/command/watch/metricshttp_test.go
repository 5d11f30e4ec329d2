package watch

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// TestMetricsAccess: who is answered by each kind of listener.
func TestMetricsAccess(t *testing.T) {
	word := config.PlainSecret("open sesame")
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", token) }
	}
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	nothing := func(*http.Request) {}
	host := func(r *http.Request) { r.Host = "metrics.example.org" }
	for name, tt := range map[string]struct {
		metrics config.Metrics
		ask     func(*http.Request)
		status  int
	}{
		"this machine":         {config.Metrics{}, nothing, 200},
		"another name":         {config.Metrics{}, host, 403},
		"token":                {config.Metrics{Token: word}, bearer("Bearer open sesame"), 200},
		"token, other case":    {config.Metrics{Token: word}, bearer("bearer open sesame"), 200},
		"token, another name":  {config.Metrics{Token: word}, func(r *http.Request) { host(r); bearer("Bearer open sesame")(r) }, 200},
		"no token":             {config.Metrics{Token: word}, nothing, 401},
		"empty token":          {config.Metrics{Token: word}, bearer("Bearer "), 401},
		"wrong token":          {config.Metrics{Token: word}, bearer("Bearer open"), 401},
		"password as token":    {config.Metrics{User: "prom", Password: word}, bearer("Bearer open sesame"), 401},
		"password":             {config.Metrics{User: "prom", Password: word}, basic("prom", "open sesame"), 200},
		"wrong user":           {config.Metrics{User: "prom", Password: word}, basic("root", "open sesame"), 401},
		"token as a password":  {config.Metrics{Token: word}, basic("", "open sesame"), 401},
		"no password":          {config.Metrics{User: "prom", Password: word}, nothing, 401},
		"right scheme in vain": {config.Metrics{User: "prom", Password: word}, bearer("Basic open sesame"), 401},
	} {
		t.Run(name, func(t *testing.T) {
			may, err := admit(t.Context(), &tt.metrics)
			if err != nil {
				t.Fatal(err)
			}
			req := httptest.NewRequest("GET", "http://127.0.0.1:9110/metrics", nil)
			tt.ask(req)
			rw := httptest.NewRecorder()
			if passed := may(rw, req); passed != (tt.status == 200) || rw.Code != tt.status ||
				(tt.status == 401) != (rw.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%v, %d, challenge %q, want %d", passed, rw.Code, rw.Header().Get("WWW-Authenticate"), tt.status)
			}
		})
	}
	if _, err := ServeMetrics(t.Context(), slog.New(slog.DiscardHandler), &config.Metrics{Token: config.EnvSecret("NOT_SET_ANYWHERE")},
		nil, &Reloads{}, "1"); err == nil {
		t.Error("a listener without its secret")
	}
}
