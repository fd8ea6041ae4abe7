;; Exports `execute`, but of another type.
(component
  (core module $inner (func (export "execute") (result i32) (i32.const 0)))
  (core instance $inner (instantiate $inner))
  (func (export "execute") (result u32) (canon lift (core func $inner "execute"))))
