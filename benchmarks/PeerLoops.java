import ij.ImagePlus;
import ij.gui.Roi;
import ij.io.RoiDecoder;
import ij.io.RoiEncoder;
import ij.measure.ResultsTable;
import ij.plugin.filter.ParticleAnalyzer;
import ij.process.ImageStatistics;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/** ImageJ's side of the benchmarks: loops that stay inside Java, so that no call across the border is timed. */
public class PeerLoops {
  /** Analyze Particles that keeps its ROIs in a list, as the ROI Manager would. */
  static class Collecting extends ParticleAnalyzer {
    final List<Roi> rois = new ArrayList<>();

    Collecting(int options, int measurements, ResultsTable table) {
      super(options, measurements, table, 0, Double.POSITIVE_INFINITY, 0, 1);
    }

    @Override
    protected void saveResults(ImageStatistics stats, Roi roi) {
      super.saveResults(stats, roi);
      rois.add((Roi) roi.clone());
    }
  }

  public static int analyze(ImagePlus image, int options, int measurements) {
    ResultsTable table = new ResultsTable();
    Collecting run = new Collecting(options, measurements, table);
    run.setHideOutputImage(true);
    if (!run.analyze(image)) throw new IllegalStateException("analyze returned false");
    return table.size();
  }

  /** Several images, one call each. */
  public static int analyzeAll(ImagePlus[] images, int options, int measurements) {
    int rows = 0;
    for (ImagePlus image : images) rows += analyze(image, options, measurements);
    return rows;
  }

  public static void write(Roi[] rois, String path) throws Exception {
    ZipOutputStream zip = new ZipOutputStream(new BufferedOutputStream(new FileOutputStream(path)));
    DataOutputStream out = new DataOutputStream(new BufferedOutputStream(zip));
    RoiEncoder encoder = new RoiEncoder(out);
    for (Roi roi : rois) {
      zip.putNextEntry(new ZipEntry(roi.getName() + ".roi"));
      encoder.write(roi);
      out.flush();
    }
    out.close();
  }

  public static Roi[] read(String path) throws Exception {
    List<Roi> rois = new ArrayList<>();
    byte[] buffer = new byte[1024];
    try (ZipInputStream in = new ZipInputStream(new FileInputStream(path))) {
      for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int n;
        while ((n = in.read(buffer)) > 0) bytes.write(buffer, 0, n);
        rois.add(new RoiDecoder(bytes.toByteArray(), entry.getName()).getRoi());
      }
    }
    return rois.toArray(new Roi[0]);
  }
}
