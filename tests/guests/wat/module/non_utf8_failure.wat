;; Fails with a message that is not Unicode.
(module
  (memory (export "memory") 1)
  ;; err(failure): the tag, then address and length of the message; no detail.
  (data (i32.const 16) "\01\00\00\00\40\00\00\00\04\00\00\00")
  (data (i32.const 64) "\ff\fe\c0\80")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32) (result i32) (i32.const 16)))
