module github.com/hookonce/hookonce

go 1.26.0
