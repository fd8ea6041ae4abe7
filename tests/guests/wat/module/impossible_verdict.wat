;; Returns a verdict that there is none of.
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "\00\00\00\00\63\00\00\00")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32) (result i32) (i32.const 16)))
