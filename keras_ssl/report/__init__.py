"""A page that shows what was learned: one HTML file, drawn by matplotlib, that needs no network."""

from keras_ssl.report.gallery_page import Shown, gallery_page
from keras_ssl.report.html_report import html_report
from keras_ssl.report.part import Part
from keras_ssl.report.read_history import read_history

__all__ = [
    "Part",
    "Shown",
    "gallery_page",
    "html_report",
    "read_history",
]
