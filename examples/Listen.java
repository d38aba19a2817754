// Prints each event of trips_ext as it is pushed: java -cp postgresql.jar Listen.java jdbc:postgresql://host/database?user=user
//   apt install libpostgresql-jdbc-java, or org.postgresql:postgresql from Maven Central
import java.sql.DriverManager;
import org.postgresql.PGConnection;

class Listen {
    public static void main(String[] arguments) throws Exception {
        try (var connection = DriverManager.getConnection(arguments[0]);
                var statement = connection.createStatement()) {
            statement.execute("LISTEN trips_ingest");
            System.err.println("listening");
            while (true) {
                // Waits on the socket; 0 is without a limit.
                for (var event : connection.unwrap(PGConnection.class).getNotifications(0)) {
                    System.out.println(event.getParameter());
                }
            }
        }
    }
}
