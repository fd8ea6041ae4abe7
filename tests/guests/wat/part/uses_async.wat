;; WASI 0.3: streams, futures and tasks.
(core func (canon task.cancel))
(type (stream u8))
