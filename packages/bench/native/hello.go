// The benchmark's application on Go's own net/http/fcgi. Usage: hello SOCKET
package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
)

type item struct {
	ID      int      `json:"id"`
	Name    string   `json:"name"`
	Price   float64  `json:"price"`
	Tags    []string `json:"tags"`
	InStock bool     `json:"inStock"`
	Note    string   `json:"note"`
}

type document struct {
	Page  int    `json:"page"`
	Total int    `json:"total"`
	Items []item `json:"items"`
}

func main() {
	doc := document{Page: 1, Total: 8}
	for i := 0; i < 8; i++ {
		doc.Items = append(doc.Items, item{1000 + i, "Item number " + strconv.Itoa(i), 9.95 + float64(i),
			[]string{"alpha", "beta", "gamma"}, i%2 == 0, "A short text here"})
	}
	chunk := make([]byte, 64*1024)
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, world\n")
	})
	mux.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := json.Marshal(doc)
		w.Write(body)
	})
	mux.HandleFunc("/post", func(w http.ResponseWriter, r *http.Request) {
		var got document
		json.NewDecoder(r.Body).Decode(&got)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"total":`+strconv.Itoa(got.Total)+`}`)
	})
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		io.WriteString(w, strconv.FormatInt(n, 10))
	})
	mux.HandleFunc("/download", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 1600; i++ {
			w.Write(chunk)
		}
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; i < 1000; i++ {
			io.WriteString(w, "data: {\"tick\":\"0123456789\",\"value\":42}\n\n")
			w.(http.Flusher).Flush()
		}
	})
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	panic(fcgi.Serve(listener, mux))
}
