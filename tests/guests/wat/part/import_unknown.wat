;; Needs something that nobody has.
(import "example:nothing/here@1.0.0" (instance))
