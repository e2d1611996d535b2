// Usage: driver STEPS CONNECTION prepared|simple. The steps of the drivers with pgx.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
)

var background = context.Background()

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The lines that begin with the mark, without it.
func after(mark string, lines []string) (found []string) {
	for _, line := range lines {
		if strings.HasPrefix(line, mark) {
			found = append(found, strings.TrimPrefix(line, mark))
		}
	}
	return
}

// What a Go program passes for a value of this type.
func native(kind, text string) interface{} {
	if text == "\\N" {
		return nil
	}
	switch kind {
	case "integer":
		number, err := strconv.ParseInt(text, 10, 32)
		must(err)
		return int32(number)
	case "bigint":
		number, err := strconv.ParseInt(text, 10, 64)
		must(err)
		return number
	case "date":
		day, err := time.Parse("2006-01-02", text)
		must(err)
		return day
	case "timestamptz":
		moment, err := time.Parse(time.RFC3339, text)
		must(err)
		return moment
	case "boolean":
		return text == "true"
	case "numeric":
		number := &pgtype.Numeric{}
		must(number.Set(text))
		return number
	case "text", "uuid", "jsonb":
		return text
	}
	if kind == "jsonb[]" {
		// this version of the driver makes no array of documents from strings
		documents := &pgtype.JSONBArray{}
		must(documents.Set(strings.Split(text, ",")))
		return documents
	}
	return array(strings.TrimSuffix(kind, "[]"), strings.Split(text, ","))
}

func array(kind string, texts []string) interface{} {
	var numbers []int32
	var fractions []float64
	var times []time.Time
	var flags []bool
	for _, text := range texts {
		switch value := native(kind, text).(type) {
		case int32:
			numbers = append(numbers, value)
		case *pgtype.Numeric:
			fraction, err := strconv.ParseFloat(text, 64)
			must(err)
			fractions = append(fractions, fraction)
		case time.Time:
			times = append(times, value)
		case bool:
			flags = append(flags, value)
		}
	}
	switch kind {
	case "integer":
		return numbers
	case "numeric":
		return fractions
	case "date", "timestamptz":
		return times
	case "boolean":
		return flags
	}
	return texts
}

func step(connection *pgx.Conn, prepared bool, lines []string) {
	sql := strings.Join(after("\t", lines), " ")
	kinds := strings.Split(strings.Join(after(": ", lines), ""), " ")
	rows := after("| ", lines)
	fmt.Println(lines[0])
	if prepared {
		description, err := connection.Prepare(background, lines[0], sql)
		must(err)
		fmt.Println("  parameters", description.ParamOIDs)
	}
	if len(rows) == 0 {
		run(connection, sql, nil)
	}
	for _, row := range rows {
		var values []interface{}
		for i, text := range strings.Split(row, " | ") {
			values = append(values, native(kinds[i], text))
		}
		run(connection, sql, values)
	}
}

func run(connection *pgx.Conn, sql string, values []interface{}) {
	rows, err := connection.Query(background, sql, values...)
	if err == nil {
		for _, f := range rows.FieldDescriptions() {
			fmt.Println("  column", string(f.Name), f.DataTypeOID, f.TypeModifier, f.DataTypeSize, f.TableOID != 0,
				f.TableAttributeNumber, "format", f.Format)
		}
		for rows.Next() {
			show(rows)
		}
		rows.Close()
		err = rows.Err()
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		fmt.Println("  error", strings.Join([]string{server.Code, server.Message, server.Detail, server.TableName, server.ColumnName,
			server.DataTypeName, server.ConstraintName}, " | "))
	} else if err != nil {
		fmt.Println("  error of the driver", err)
	} else {
		fmt.Println("  done", rows.CommandTag())
	}
}

func show(rows pgx.Rows) {
	var shown []string
	values, err := rows.Values()
	must(err)
	for _, value := range values {
		if number, ok := value.(pgtype.Numeric); ok {
			text, err := number.EncodeText(nil, nil)
			must(err)
			value = "numeric " + string(text)
		}
		shown = append(shown, fmt.Sprintf("%T %v", value, value))
	}
	fmt.Println("  row", strings.Join(shown, " | "))
}

func main() {
	file, err := os.ReadFile(os.Args[1])
	must(err)
	config, err := pgx.ParseConfig(os.Args[2])
	must(err)
	config.PreferSimpleProtocol = os.Args[3] == "simple"
	connection, err := pgx.ConnectConfig(background, config)
	must(err)
	for _, block := range strings.Split(string(file), "\n\n")[1:] {
		step(connection, os.Args[3] == "prepared", strings.Split(strings.TrimRight(block, "\n"), "\n"))
	}
	must(connection.Close(background))
}
