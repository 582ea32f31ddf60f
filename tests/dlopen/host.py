"""Loads the library given as argument and calls it."""
import ctypes
import sys
import threading

library = ctypes.CDLL(sys.argv[1])
library.tdbplus_status_text.restype = ctypes.c_char_p
library.tdbplus_status_sqlstate.restype = ctypes.c_char_p


def call():
    assert library.tdbplus_status_text(0) == b"ok"
    assert library.tdbplus_status_sqlstate(23) == b"23505"


call()
thread = threading.Thread(target=call)
thread.start()
thread.join()
print("ok")
