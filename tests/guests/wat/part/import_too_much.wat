;; Needs a function that an interface which exists does not have.
(import "wasi:cli/environment@0.2.3" (instance $environment
  (export "set-environment" (func (param "name" string) (param "value" string)))))
