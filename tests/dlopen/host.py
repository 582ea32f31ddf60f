"""Loads the library given as argument and calls it."""
import ctypes
import sys
import threading

library = ctypes.CDLL(sys.argv[1])
library.tdbplus_status_text.restype = ctypes.c_char_p
library.tdbplus_status_sqlstate.restype = ctypes.c_char_p


library.tdbplus_version.restype = ctypes.c_char_p
library.tdbplus_open.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
library.tdbplus_close.argtypes = [ctypes.c_void_p]


def call():
    assert library.tdbplus_version().count(b".") == 2
    database = ctypes.c_void_p()
    assert library.tdbplus_open(b":memory:", None, ctypes.byref(database), None) == 0
    library.tdbplus_close(database)
    assert library.tdbplus_status_text(0) == b"ok"
    assert library.tdbplus_status_sqlstate(23) == b"23505"


call()
thread = threading.Thread(target=call)
thread.start()
thread.join()
print("ok")
