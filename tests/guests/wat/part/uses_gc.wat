;; Objects on a heap that the memory limit does not see.
(core module (type (struct (field i32))))
