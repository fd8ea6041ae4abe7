;; A component, but not one that executes runs.
(component)
