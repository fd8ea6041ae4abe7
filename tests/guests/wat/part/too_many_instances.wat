;; More parts than a component may have: 4 times 4 times 4.
(component $four
  (core module $part)
  (core instance (instantiate $part))
  (core instance (instantiate $part))
  (core instance (instantiate $part))
  (core instance (instantiate $part)))
(component $sixteen
  (alias outer 1 $four (component $four))
  (instance (instantiate $four))
  (instance (instantiate $four))
  (instance (instantiate $four))
  (instance (instantiate $four)))
(instance (instantiate $sixteen))
(instance (instantiate $sixteen))
(instance (instantiate $sixteen))
(instance (instantiate $sixteen))
