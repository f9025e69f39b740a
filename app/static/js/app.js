/* What every page needs. Each module listens once on the document and finds its elements by data attributes. */
import "./confirm.js";
import "./notices.js";
import "./charts.js";
