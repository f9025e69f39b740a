"""What only a browser sees: every screen there is, read by axe; what people do, by keyboard and on a
telephone; hostile text, rendered.
"""
