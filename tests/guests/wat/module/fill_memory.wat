;; Makes one instruction do the work of millions, again and again.
(module
  (memory (export "memory") 160)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32) (result i32)
    (loop $again
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 10000000))
      (br $again))
    unreachable))
