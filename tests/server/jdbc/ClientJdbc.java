// The PostgreSQL JDBC driver on our server. README.md lists the scenarios. Prints "ok NAME" or
// "FAILED NAME: why" a line. Arguments: host and port, password.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

public final class ClientJdbc {
    interface Scenario {
        void run() throws Exception;
    }

    private static String url;
    private static Properties properties;

    private static Connection connect(String... more) throws SQLException {
        Properties all = new Properties();
        all.putAll(properties);
        for (int i = 0; i < more.length; i += 2) {
            all.setProperty(more[i], more[i + 1]);
        }
        return DriverManager.getConnection(url, all);
    }

    private static void check(boolean good, Object what) {
        if (!good) {
            throw new AssertionError(String.valueOf(what));
        }
    }

    private static void same(Object expected, Object got) {
        check(expected == null ? got == null : expected.equals(got), expected + " expected, got " + got);
    }

    private static SQLException fails(String state, Scenario scenario) throws Exception {
        try {
            scenario.run();
        } catch (SQLException error) {
            same(state, error.getSQLState());
            return error;
        }
        throw new AssertionError("no error " + state);
    }

    private static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> values = new ArrayList<>();
        while (rows.next()) {
            values.add(rows.getString(name));
        }
        rows.close();
        return values;
    }

    /* ---- scenarios ---- */

    private static void types() throws Exception {
        Object[][] cases = {
            {"int2", (short) 5, Integer.class}, {"int4", -7, Integer.class}, {"int8", 1L << 40, Long.class},
            {"float8", 0.1, Double.class}, {"numeric", new BigDecimal("123.4500"), BigDecimal.class},
            {"bool", true, Boolean.class}, {"text", "h\u00e4\u00df'", String.class},
            {"uuid", new UUID(1, 2), UUID.class}, {"date", LocalDate.of(2024, 2, 29), LocalDate.class},
            {"timestamp", LocalDateTime.of(2024, 1, 2, 3, 4, 5, 6000), LocalDateTime.class},
            {"timestamptz", OffsetDateTime.parse("2024-01-02T03:04:05Z"), OffsetDateTime.class},
        };
        // The driver turns to binary after five runs, or at once.
        for (String threshold : new String[] {"5", "-1", "0"}) {
            try (Connection connection = connect("prepareThreshold", threshold)) {
                for (Object[] one : cases) {
                    String text = "select ?::" + one[0] + " as v, null::" + one[0] + " as n";
                    try (PreparedStatement statement = connection.prepareStatement(text)) {
                        for (int i = 0; i < 8; i++) {
                            statement.setObject(1, one[1]);
                            ResultSet row = statement.executeQuery();
                            check(row.next(), one[0]);
                            Object got = row.getObject(1, (Class<?>) one[2]);
                            Object expected = one[1] instanceof Short ? Integer.valueOf((Short) one[1]) : one[1];
                            same(expected, got);
                            check(row.getObject(2) == null && row.wasNull(), one[0]);
                        }
                    }
                }
                try (PreparedStatement statement = connection.prepareStatement("select ?::bytea, ?::int4[], ?::jsonb, ?::text[]")) {
                    statement.setBytes(1, new byte[] {0, -1});
                    statement.setArray(2, connection.createArrayOf("int4", new Integer[] {1, null, 3}));
                    statement.setObject(3, "{\"a\": 1}", Types.OTHER);
                    statement.setArray(4, connection.createArrayOf("text", new String[] {"a", "b,c"}));
                    ResultSet row = statement.executeQuery();
                    check(row.next(), "row");
                    check(row.getBytes(1).length == 2 && row.getBytes(1)[1] == -1, "bytea");
                    Integer[] numbers = (Integer[]) row.getArray(2).getArray();
                    check(numbers.length == 3 && numbers[1] == null && numbers[2] == 3, "int4[]");
                    same("{\"a\": 1}", row.getString(3));
                    same("b,c", ((String[]) row.getArray(4).getArray())[1]);
                }
            }
        }
    }

    private static void batches() throws Exception {
        for (String rewrite : new String[] {"false", "true"}) {
            try (Connection connection = connect("reWriteBatchedInserts", rewrite)) {
                connection.createStatement().execute("create table jdbc_b (a serial primary key, b text unique)");
                connection.setAutoCommit(false);
                try (PreparedStatement insert = connection.prepareStatement("insert into jdbc_b (b) values (?)", Statement.RETURN_GENERATED_KEYS)) {
                    for (int i = 0; i < 2000; i++) {
                        insert.setString(1, "row " + i);
                        insert.addBatch();
                    }
                    same(2000, insert.executeBatch().length);
                    ResultSet keys = insert.getGeneratedKeys();
                    check(keys.next() && keys.getInt(1) == 1, "keys");
                }
                connection.commit();
                try (PreparedStatement insert = connection.prepareStatement("insert into jdbc_b (b) values (?)")) {
                    insert.setString(1, "new");
                    insert.addBatch();
                    insert.setString(1, "row 7");
                    insert.addBatch();
                    insert.executeBatch();
                    throw new AssertionError("no error");
                } catch (BatchUpdateException error) {
                    same("23505", error.getSQLState());
                }
                connection.rollback();
                ResultSet count = connection.createStatement().executeQuery("select count(*) from jdbc_b");
                check(count.next() && count.getInt(1) == 2000, "count");
                connection.createStatement().execute("drop table jdbc_b");
                connection.commit();
            }
        }
    }

    private static void fetchSize() throws Exception {
        try (Connection connection = connect()) {
            connection.setAutoCommit(false);
            try (PreparedStatement query = connection.prepareStatement("select g, repeat('x', 50) from generate_series(1, ?) g")) {
                query.setFetchSize(100);
                for (int run = 0; run < 7; run++) {
                    query.setInt(1, 5000);
                    ResultSet rows = query.executeQuery();
                    long sum = 0;
                    while (rows.next()) {
                        sum += rows.getInt(1);
                    }
                    same(12502500L, sum);
                }
            }
            Statement scroll = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
            ResultSet rows = scroll.executeQuery("select g from generate_series(1, 10) g");
            check(rows.last() && rows.getInt(1) == 10 && rows.absolute(3) && rows.getInt(1) == 3, "scroll");
            scroll.setMaxRows(4);
            rows = scroll.executeQuery("select g from generate_series(1, 10) g");
            check(rows.last() && rows.getRow() == 4, "max rows");
            connection.commit();
        }
    }

    private static void transactions() throws Exception {
        try (Connection connection = connect(); Connection other = connect()) {
            connection.createStatement().execute("create table jdbc_t (a int primary key, b int check (b > 0))");
            connection.setAutoCommit(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            same(Connection.TRANSACTION_REPEATABLE_READ, connection.getTransactionIsolation());
            Statement statement = connection.createStatement();
            statement.executeUpdate("insert into jdbc_t values (1, 1)");
            Savepoint savepoint = connection.setSavepoint("here");
            SQLException error = fails("23505", () -> statement.executeUpdate("insert into jdbc_t values (1, 2)"));
            org.postgresql.util.ServerErrorMessage message = ((org.postgresql.util.PSQLException) error).getServerErrorMessage();
            same("jdbc_t", message.getTable());
            same("jdbc_t_pkey", message.getConstraint());
            fails("25P02", () -> statement.executeQuery("select 1"));
            connection.rollback(savepoint);
            connection.commit();
            fails("23514", () -> statement.executeUpdate("insert into jdbc_t values (2, 0)"));
            connection.rollback();
            same(List.of("1"), column(other.createStatement().executeQuery("select a from jdbc_t"), "a"));
            other.setReadOnly(true);
            other.setAutoCommit(false);
            fails("25006", () -> other.createStatement().executeUpdate("delete from jdbc_t"));
            other.rollback();
            connection.createStatement().execute("drop table jdbc_t");
            connection.commit();
        }
        try (Connection connection = connect("autosave", "always", "cleanupSavepoints", "true")) {
            connection.setAutoCommit(false);
            fails("42P01", () -> connection.createStatement().executeQuery("select * from nowhere"));
            check(connection.createStatement().executeQuery("select 1").next(), "autosave");
            connection.commit();
        }
    }

    private static void metadata() throws Exception {
        try (Connection connection = connect()) {
            connection.createStatement().execute(
                "create table jdbc_parent (id serial primary key, name varchar(30) not null unique, price numeric(10,2) default 0);"
                + "create table jdbc_child (parent int references jdbc_parent on delete cascade, place int, note text, primary key (parent, place));"
                + "create index jdbc_note on jdbc_child (note desc); create view jdbc_view as select name from jdbc_parent;"
                + "comment on table jdbc_parent is 'a comment'; comment on column jdbc_parent.name is 'its name'");
            DatabaseMetaData data = connection.getMetaData();
            same("PostgreSQL", data.getDatabaseProductName());
            check(data.getDatabaseMajorVersion() >= 15, data.getDatabaseProductVersion());
            same(List.of("jdbc_child", "jdbc_parent"), column(data.getTables(null, "public", "jdbc\\_%", new String[] {"TABLE"}), "TABLE_NAME"));
            same(List.of("jdbc_view"), column(data.getTables(null, null, "jdbc%", new String[] {"VIEW"}), "TABLE_NAME"));
            same(List.of("a comment"), column(data.getTables(null, null, "jdbc_parent", null), "REMARKS"));
            check(column(data.getSchemas(), "TABLE_SCHEM").contains("public"), "schemas");
            Map<String, String> kinds = new LinkedHashMap<>();
            ResultSet columns = data.getColumns(null, "public", "jdbc_parent", null);
            while (columns.next()) {
                kinds.put(columns.getString("COLUMN_NAME"), columns.getString("TYPE_NAME") + "(" + columns.getInt("COLUMN_SIZE") + ","
                    + columns.getInt("DECIMAL_DIGITS") + ") " + columns.getString("IS_NULLABLE") + " " + columns.getString("IS_AUTOINCREMENT")
                    + " " + columns.getString("REMARKS"));
            }
            same("serial(10,0) NO YES null", kinds.get("id"));
            same("varchar(30,0) NO NO its name", kinds.get("name"));
            same("numeric(10,2) YES NO null", kinds.get("price"));
            same(List.of("parent", "place"), column(data.getPrimaryKeys(null, "public", "jdbc_child"), "COLUMN_NAME"));
            ResultSet keys = data.getImportedKeys(null, "public", "jdbc_child");
            check(keys.next(), "imported keys");
            same("jdbc_parent.id parent 0", keys.getString("PKTABLE_NAME") + "." + keys.getString("PKCOLUMN_NAME") + " "
                + keys.getString("FKCOLUMN_NAME") + " " + keys.getInt("DELETE_RULE"));
            same(List.of("jdbc_child"), column(data.getExportedKeys(null, null, "jdbc_parent"), "FKTABLE_NAME"));
            List<String> indexes = column(data.getIndexInfo(null, "public", "jdbc_child", false, false), "INDEX_NAME");
            check(indexes.contains("jdbc_note") && indexes.contains("jdbc_child_pkey"), indexes);
            ResultSet info = data.getIndexInfo(null, "public", "jdbc_child", false, false);
            while (info.next()) {
                if (info.getString("INDEX_NAME").equals("jdbc_note")) {
                    same("D", info.getString("ASC_OR_DESC"));
                }
            }
            check(column(data.getTypeInfo(), "TYPE_NAME").contains("int4"), "type info");
            check(!column(data.getFunctions(null, null, "sqrt"), "FUNCTION_NAME").isEmpty(), "functions");
            check(!column(data.getProcedures(null, null, "sq%"), "PROCEDURE_NAME").contains("x"), "procedures");
            check(!column(data.getTablePrivileges(null, null, "jdbc_parent"), "PRIVILEGE").isEmpty(), "privileges");
            same(List.of("id"), column(data.getBestRowIdentifier(null, null, "jdbc_parent", DatabaseMetaData.bestRowSession, false), "COLUMN_NAME"));
            check(data.getMaxColumnNameLength() >= 63, data.getMaxColumnNameLength());
            ResultSet rows = connection.createStatement().executeQuery("select name as n, price from jdbc_parent");
            same("n", rows.getMetaData().getColumnLabel(1));
            same(10, rows.getMetaData().getPrecision(2));
            java.sql.ParameterMetaData parameters = connection.prepareStatement("insert into jdbc_parent (name, price) values (?, ?)").getParameterMetaData();
            same("numeric", parameters.getParameterTypeName(2));
            connection.createStatement().execute("drop view jdbc_view; drop table jdbc_child; drop table jdbc_parent");
        }
    }

    private static void copying() throws Exception {
        try (Connection connection = connect()) {
            connection.createStatement().execute("create table jdbc_c (a int primary key, b text)");
            CopyManager manager = connection.unwrap(PGConnection.class).getCopyAPI();
            StringBuilder lines = new StringBuilder();
            for (int i = 0; i < 20000; i++) {
                lines.append(i).append(",text ").append(i).append('\n');
            }
            same(20000L, manager.copyIn("copy jdbc_c from stdin (format csv)", new StringReader(lines.toString())));
            StringWriter out = new StringWriter();
            same(20000L, manager.copyOut("copy (select * from jdbc_c order by a) to stdout (format csv)", out));
            same(lines.toString(), out.toString());
            fails("22P02", () -> manager.copyIn("copy jdbc_c from stdin", new StringReader("x\ty\n")));
            check(connection.createStatement().executeQuery("select 1").next(), "after a failed COPY");
            connection.createStatement().execute("drop table jdbc_c");
        }
    }

    private static void cancelling() throws Exception {
        try (Connection connection = connect()) {
            Statement statement = connection.createStatement();
            statement.setQueryTimeout(1);
            fails("57014", () -> statement.executeQuery("select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b"));
            Statement other = connection.createStatement();
            Thread thread = new Thread(() -> {
                try {
                    Thread.sleep(200);
                    other.cancel();
                } catch (Exception error) {
                    throw new RuntimeException(error);
                }
            });
            thread.start();
            fails("57014", () -> other.executeQuery("select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b"));
            thread.join();
        }
    }

    private static void notifications() throws Exception {
        try (Connection listener = connect(); Connection sender = connect()) {
            Statement statement = listener.createStatement();
            statement.execute("listen jdbc_news");
            sender.createStatement().execute("notify jdbc_news, 'hello'");
            PGNotification[] heard = listener.unwrap(PGConnection.class).getNotifications(10000);
            check(heard != null && heard.length == 1, "notifications");
            same("jdbc_news hello", heard[0].getName() + " " + heard[0].getParameter());
            statement.execute("drop table if exists jdbc_nothing");
            check(statement.getWarnings() != null && statement.getWarnings().getMessage().contains("does not exist"), "warning");
        }
    }

    public static void main(String[] arguments) throws Exception {
        url = "jdbc:postgresql://" + arguments[0] + "/tdb";
        properties = new Properties();
        properties.setProperty("user", "admin");
        properties.setProperty("password", arguments[1]);
        Map<String, Scenario> scenarios = new LinkedHashMap<>();
        scenarios.put("values of every type, text and binary", ClientJdbc::types);
        scenarios.put("batches, rewritten too, generated keys", ClientJdbc::batches);
        scenarios.put("fetch size, scrolling, maximum of rows", ClientJdbc::fetchSize);
        scenarios.put("transactions, savepoints, autosave, errors", ClientJdbc::transactions);
        scenarios.put("DatabaseMetaData and ResultSetMetaData", ClientJdbc::metadata);
        scenarios.put("CopyManager", ClientJdbc::copying);
        scenarios.put("timeouts and cancel", ClientJdbc::cancelling);
        scenarios.put("notifications and warnings", ClientJdbc::notifications);
        for (Map.Entry<String, Scenario> one : scenarios.entrySet()) {
            try {
                one.getValue().run();
                System.out.println("ok " + one.getKey());
            } catch (Throwable error) {
                StackTraceElement[] trace = error.getStackTrace();
                String where = "";
                for (StackTraceElement element : trace) {
                    if (element.getClassName().startsWith("ClientJdbc") && !element.getMethodName().matches("same|check|fails|column")) {
                        where = " at line " + element.getLineNumber();
                        break;
                    }
                }
                System.out.println("FAILED " + one.getKey() + ": " + String.valueOf(error).replace('\n', ' ') + where);
            }
        }
    }
}
