import ij.plugin.PlugInInterpreter;
import org.python.util.PythonInterpreter;

/** What ImageJ calls to run a .py file; Fiji brings its own. For tests only. */
public class Jython extends PlugInInterpreter {
    public String run(String script, String arg) {
        PythonInterpreter interpreter = new PythonInterpreter();
        interpreter.exec(script);
        interpreter.close();
        return null;
    }

    public String getReturnValue() { return null; }
    public String getName() { return "Jython"; }
    public String getImports() { return ""; }
    public String getVersion() { return "2.7"; }
    public void run(String script) { if (!script.isEmpty()) run(script, ""); }
}
