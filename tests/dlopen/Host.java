/** Loads the library, then the JNI shim that calls it; from two threads. */
public final class Host {
    private static native String statusText(int status);

    /** Opens and closes a database in memory; returns the status. */
    private static native int openMemory();

    private static void call() {
        if (openMemory() != 0) {
            throw new AssertionError("cannot open");
        }
        if (!statusText(0).equals("ok") || !statusText(30).equals("stored bytes fail their checks")) {
            throw new AssertionError("wrong text");
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        System.load(arguments[0]);
        System.load(arguments[1]);
        call();
        boolean[] done = {false};
        Thread thread = new Thread(() -> {
            call();
            done[0] = true;
        });
        thread.start();
        thread.join();
        if (!done[0]) {
            throw new AssertionError("the second thread failed");
        }
        System.out.println("ok");
    }
}
