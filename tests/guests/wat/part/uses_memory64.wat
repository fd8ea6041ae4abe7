;; Memory of 64 bits: its guard pages can't be reserved, so each access costs a check.
(core module (memory i64 1))
