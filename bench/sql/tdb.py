"""The C API of libtdbplus, as much of it as the benchmark needs."""

import ctypes

import pyarrow as pa

P = ctypes.c_void_p


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("sqlstate", ctypes.c_char * 6),
                ("position", ctypes.c_uint32), ("message", ctypes.c_char * 512),
                ("detail", ctypes.c_char * 256), ("hint", ctypes.c_char * 256),
                ("context", ctypes.c_char * 256)]


class Call(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("error", Error), ("timeout_us", ctypes.c_int64),
                ("cancel", ctypes.c_bool), ("progress", P), ("progress_context", P), ("done", P),
                ("done_context", P)]


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("read_only", ctypes.c_bool),
                ("must_exist", ctypes.c_bool), ("durability", ctypes.c_int),
                ("sync_interval_us", ctypes.c_uint64), ("memory_limit_bytes", ctypes.c_size_t),
                ("cache_size_bytes", ctypes.c_size_t), ("memtable_size_bytes", ctypes.c_size_t),
                ("allocator", P), ("thread_count", ctypes.c_uint32)]


class Stream(ctypes.Structure):
    """struct ArrowArrayStream."""


Stream._fields_ = [("get_schema", P), ("get_next", P), ("get_last_error", P),
                   ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Stream))),
                   ("private_data", P)]


class Database:
    def __init__(self, library, path=None, memory_bytes=12 << 30):
        self.lib = ctypes.CDLL(library)
        options = Options(struct_size=ctypes.sizeof(Options), durability=3,
                          memory_limit_bytes=memory_bytes, cache_size_bytes=memory_bytes // 2)
        self.db = P()
        self.session = P()
        self._call("open", path.encode() if path else None, ctypes.byref(options),
                   ctypes.byref(self.db))
        self._call("session_open", self.db, ctypes.byref(self.session))

    def _call(self, name, *arguments):
        call = Call(struct_size=ctypes.sizeof(Call))
        status = getattr(self.lib, "tdbplus_" + name)(*arguments, ctypes.byref(call))
        if status != 0:
            raise RuntimeError(f"{call.error.sqlstate.decode()}: {call.error.message.decode()}")

    def append(self, table, reader):
        """Adds the rows of a pyarrow RecordBatchReader."""
        collection = P()
        self._call("collection_open", self.db, None, table.encode(), ctypes.byref(collection))
        stream = Stream()
        reader._export_to_c(ctypes.addressof(stream))
        try:
            self._call("append_arrow", collection, None, ctypes.byref(stream), None)
        finally:
            stream.release(ctypes.byref(stream))
            self.lib.tdbplus_collection_close(collection)

    def optimize(self):
        self._call("optimize", self.db, None)

    def sql(self, text):
        """Runs one statement; its rows as a pyarrow table, or None."""
        data = text.encode()
        result = P()
        self._call("execute", self.session, data, ctypes.c_size_t(len(data)), None,
                   ctypes.c_uint32(0), None, ctypes.byref(result))
        if self.lib.tdbplus_result_column_count(result) == 0:
            self.lib.tdbplus_result_close(result)
            return None
        stream = Stream()
        self._call("result_arrow", result, ctypes.byref(stream))
        return pa.RecordBatchReader._import_from_c(ctypes.addressof(stream)).read_all()

    def close(self):
        self.lib.tdbplus_session_close(self.session)
        self.lib.tdbplus_close(self.db)
