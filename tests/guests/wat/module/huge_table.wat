;; Has a table of a million elements from the beginning.
(module
  (memory (export "memory") 1)
  (table 1000000 funcref)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32) (result i32) (i32.const 0)))
