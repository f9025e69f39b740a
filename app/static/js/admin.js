/* What the back office adds: look-ups, selections, cells that edit in place, sub-forms, shortcuts. */
import "./lookup.js";
import "./selection.js";
import "./inline.js";
import "./inline_list.js";
import "./search.js";
import "./saved_filters.js";
import "./shortcuts.js";
import "./copy.js";
import "./unsaved.js";
import "./drawer.js";
