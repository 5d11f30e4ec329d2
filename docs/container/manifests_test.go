// Package container has the examples for containers, and the tests that they fit the
// schemas which Kubernetes and the Compose Specification publish.
package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	compose "github.com/compose-spec/compose-go/v2/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// The OpenAPI documents of Kubernetes come with this module. Only its files are
// needed: its code has all of Kubernetes' API server below it.
const (
	openAPI    = "sigs.k8s.io/kubectl-validate@v0.0.4"
	openAPISum = "h1:tGKuv0awYHn11Cb6KPsZKxUmHgavF46K3NvVH0Nse9U="
	kubernetes = "1.30"
)

// openAPIDir is the directory with the documents of one version of Kubernetes.
func openAPIDir(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", openAPI)
	cmd.Dir = t.TempDir() // outside of any module
	out, err := cmd.Output()
	var got struct{ Dir, Sum string }
	if err := errors.Join(err, json.Unmarshal(out, &got)); err != nil {
		if os.Getenv("MAILHAUL_REQUIRE_ALL") != "" {
			t.Fatalf("%s cannot be had: %v", openAPI, err)
		}
		t.Skipf("%s cannot be had: %v", openAPI, err)
	}
	if got.Sum != openAPISum {
		t.Fatalf("%s has the sum %s", openAPI, got.Sum)
	}
	return filepath.Join(got.Dir, "pkg", "openapiclient", "builtins", kubernetes)
}

// kindSchema compiles the schema of one kind; unknown fields do not conform.
func kindSchema(t *testing.T, dir, apiVersion, kind string) *jsonschema.Schema {
	t.Helper()
	path := filepath.Join(dir, "apis", apiVersion+".json")
	if !strings.Contains(apiVersion, "/") {
		path = filepath.Join(dir, "api", apiVersion+".json")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("no such API: %v", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	schemas := doc.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any)
	name := ""
	for n, s := range schemas {
		s := s.(map[string]any)
		if _, fields := s["properties"]; fields && s["x-kubernetes-preserve-unknown-fields"] == nil {
			s["additionalProperties"] = false
		}
		if strings.HasPrefix(n, "io.k8s.api.") && strings.HasSuffix(n, "."+kind) {
			name = n
		}
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("openapi.json#/components/schemas/" + name)
	if err != nil {
		t.Fatalf("%s %q: %v", kind, name, err)
	}
	return s
}

// documents decodes the YAML documents of a file.
func documents(t *testing.T, text []byte) (list []map[string]any) {
	t.Helper()
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc map[string]any
		err := dec.Decode(&doc)
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, doc)
	}
}

// conforms validates what was decoded from YAML, by way of JSON.
func conforms(s *jsonschema.Schema, doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func TestKubernetes(t *testing.T) {
	dir := openAPIDir(t)
	files, _ := filepath.Glob("kubernetes-*.yaml")
	if len(files) < 2 {
		t.Fatal("no manifests")
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range documents(t, text) {
				s := kindSchema(t, dir, doc["apiVersion"].(string), doc["kind"].(string))
				if err := conforms(s, doc); err != nil {
					t.Errorf("%s: %v", doc["kind"], err)
				}
				doc["spek"] = doc["spec"] // what the validator is worth
				if conforms(s, doc) == nil {
					t.Error("an unknown field conforms")
				}
			}
		})
	}
}

// TestSchemaRefuses: the validator finds mistakes that are deep in a manifest.
func TestSchemaRefuses(t *testing.T) {
	s := kindSchema(t, openAPIDir(t), "batch/v1", "CronJob")
	text, err := os.ReadFile("kubernetes-cronjob.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][2]string{
		{"fsGroup: 65532", "fsGroups: 65532"}, {"fsGroup: 65532", "fsGroup: nobody"}, {"restartPolicy: Never", "restartPolicy: [Never]"},
		{"- name: mailhaul", "- names: mailhaul"}, {"backoffLimit: 0", "backoffLimit: none"}, {"mountPath: /state", "path: /state"},
	} {
		bad := strings.Replace(string(text), wrong[0], wrong[1], 1)
		if bad == string(text) {
			t.Fatalf("no %q in the manifest", wrong[0])
		}
		for _, doc := range documents(t, []byte(bad)) {
			if conforms(s, doc) == nil {
				t.Errorf("%q for %q conforms", wrong[1], wrong[0])
			}
		}
	}
}

func TestCompose(t *testing.T) {
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range documents(t, text) {
		if err := compose.Validate(doc); err != nil {
			t.Error(err)
		}
		doc["services"].(map[string]any)["mailhaul"].(map[string]any)["volume"] = "x"
		if compose.Validate(doc) == nil {
			t.Error("an unknown key conforms")
		}
	}
}
