"""Titles and genres that are no titles: a book built on them shows them as text, and runs none."""

import threading
from functools import partial
from http.server import ThreadingHTTPServer

import pytest

from recsys_lib.datasets import simulator
from tests.site.conftest import Quiet
