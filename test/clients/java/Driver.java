// Usage: java Driver STEPS URL. The steps of the drivers with JDBC; how values travel is said in the URL.

import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;
import org.postgresql.PGResultSetMetaData;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

public class Driver {
	static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);

	public static void main(String[] arguments) throws Exception {
		String file = Files.readString(Path.of(arguments[0]));
		try (Connection connection = DriverManager.getConnection(arguments[1])) {
			String[] blocks = file.split("\n\n");
			for (String block : Arrays.copyOfRange(blocks, 1, blocks.length)) {
				step(connection, block.split("\n"));
			}
		}
	}

	/** Lines of the block that begin with the mark, without it. */
	static List<String> after(String mark, String[] lines) {
		return Arrays.stream(lines).filter(l -> l.startsWith(mark)).map(l -> l.substring(mark.length()))
			.collect(Collectors.toList());
	}

	static void step(Connection connection, String[] lines) throws SQLException {
		String sql = String.join(" ", after("\t", lines)).replaceAll("\\$\\d+", "?");
		String[] kinds = String.join("", after(": ", lines)).split(" ");
		List<String> rows = after("| ", lines);
		out.println(lines[0]);
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			if (!rows.isEmpty()) {
				parameters(statement.getParameterMetaData());
			}
			for (String row : rows.isEmpty() ? List.of("") : rows) {
				String[] values = row.split(" \\| ");
				for (int i = 0; !row.isEmpty() && i < values.length; i++) {
					statement.setObject(i + 1, value(connection, kinds[i], values[i]));
				}
				run(statement);
			}
		}
	}

	static Object value(Connection connection, String kind, String text) throws SQLException {
		if (text.equals("\\N")) {
			return null;
		}
		if (kind.endsWith("[]")) {
			String element = kind.substring(0, kind.length() - 2);
			List<Object> elements = new ArrayList<>();
			for (String part : text.split(",")) {
				elements.add(value(connection, element, part));
			}
			return connection.createArrayOf(element, elements.toArray());
		}
		switch (kind) {
			case "integer":
				return Integer.valueOf(text);
			case "bigint":
				return Long.valueOf(text);
			case "numeric":
				return new BigDecimal(text);
			case "date":
				return LocalDate.parse(text);
			case "timestamptz":
				return OffsetDateTime.parse(text);
			case "boolean":
				return Boolean.valueOf(text);
			case "uuid":
				return UUID.fromString(text);
			case "jsonb":
				PGobject document = new PGobject();
				document.setType("jsonb");
				document.setValue(text);
				return document;
			default:
				return text;
		}
	}

	static void run(PreparedStatement statement) throws SQLException {
		try {
			boolean rows = statement.execute();
			out.println("  done " + (rows ? "rows" : statement.getUpdateCount()));
			if (rows) {
				show(statement.getResultSet());
			}
		} catch (PSQLException error) {
			ServerErrorMessage m = error.getServerErrorMessage();
			out.println("  error " + Arrays.asList(error.getSQLState(), m.getMessage(), m.getDetail(), m.getTable(), m.getColumn(),
				m.getDatatype(), m.getConstraint()));
		}
	}

	/** The server's opinion; JDBC asks for it before any value is known. */
	static void parameters(ParameterMetaData data) throws SQLException {
		for (int i = 1; i <= data.getParameterCount(); i++) {
			out.println("  parameter " + data.getParameterTypeName(i) + " " + data.getParameterClassName(i));
		}
	}

	static void show(ResultSet result) throws SQLException {
		ResultSetMetaData data = result.getMetaData();
		for (int i = 1; i <= data.getColumnCount(); i++) {
			out.println("  column " + String.join(" ", data.getColumnName(i), data.getColumnTypeName(i), data.getColumnClassName(i),
				"precision " + data.getPrecision(i), "scale " + data.getScale(i), "size " + data.getColumnDisplaySize(i),
				"signed " + data.isSigned(i), "nullable " + data.isNullable(i),
				"table '" + ((PGResultSetMetaData) data).getBaseTableName(i) + "'",
				"column '" + ((PGResultSetMetaData) data).getBaseColumnName(i) + "'",
				"format " + ((PGResultSetMetaData) data).getFormat(i)));
		}
		while (result.next()) {
			List<String> values = new ArrayList<>();
			for (int i = 1; i <= data.getColumnCount(); i++) {
				values.add(show(result.getObject(i)));
			}
			out.println("  row " + String.join(" | ", values));
		}
	}

	static String show(Object value) {
		return value == null ? "null" : value.getClass().getName() + " " + value;
	}
}
