# A bit of everything that the language has.
// Comments of the other kind, /* not opened here
/* and
   of a third kind " { */
terraform {
  required_version = ">= 1.0, < 2.0.0"
  backend "http" {}
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.0", configuration_aliases = [aws.a, aws.b] }
  }
}

variable "complex" {
  type = object({
    name  = string
    count = optional(number, 3)
    tags  = map(object({ a = list(any), b = tuple([string, bool]) }))
  })
  default = {
    name = "x", count = 3
    "quoted key" : [1, 2.5, 1e3, -4, 0.1e-5],
    (local.key)  = null
    tags         = {}
  }
  validation {
    condition     = length(var.complex.name) > 0 && var.complex.count < 10 || !contains(["a", "b"], var.complex.name)
    error_message = "Wrong: ${var.complex.name}!"
  }
}

locals {
  key        = "k"
  empty      = ""
  dollar     = "a$"
  dollars    = "$$"
  percent    = "100%"
  escaped    = "$${not} %%{not} \"quoted\" \\ \n \u00e9 \U0001F600"
  nested     = "a ${"b ${"c ${local.key}"}"} d"
  strip      = "a ${~ local.key ~} b"
  directive  = "%{if local.key == "k"}yes%{else}no%{endif} %{for x in ["a"]}${x}%{endfor}"
  stripped   = "%{~if local.key == "k"~} yes %{~endif~}"
  multiple   = true ? "a" : false ? "b" : "c"
  in_parens = (
    local.key == "k"
    ? 1 + 2 * 3 - 4 / 5 % 6
    : -1
  )
  comparison = 1 <= 2 && 2 >= 1 || 1 != 2 && !(1 > 2)
  list       = [for i, v in ["a", "b"] : upper(v) if i > 0]
  map        = { for k, v in { a = 1 } : k => v... if v != null }
  splat      = local.things[*].name
  legacy     = local.things.*.name.0
  index      = local.things[0]["name"].x[local.key]
  call       = merge({ a = 1 }, [{ b = 2 }, { c = 3 }]...)
  namespaced = provider::aws::arn_parse("x")
  ternary    = local.key != "" ? [
    "a",
    "b", # with a comment
  ] : []
  multiline = merge(
    { a = 1 }, // first
    /* second */ { b = 2 },
  )
  heredoc = <<EOT
text with ${local.key} and $${literal} and "quotes" \n
  EOTX is not the end
%{if true}
conditional
%{endif}
EOT
  indented = <<-EOT
    text
      ${jsonencode({
  a = 1
})}
    EOT
  empty_heredoc = <<EOT
EOT
  twice  = { Name = "a", Name = "b", "Name" = "c", ("Name") = "d", (local.key) = 1, (local.key) = 2, 1 = 1, 1 = 2 }
  number = 123456789012345678901234567890.5
  unicode-name_1 = "ключ ${local.key}"
}

resource "null_resource" "r" {
  for_each = toset(["a"])
  triggers = { always = timestamp() }
  provisioner "local-exec" {
    command = <<-EOC
      echo "$HOME" '${each.key}' $(date) $${HOME}
    EOC
  }
  lifecycle {
    ignore_changes = [triggers["always"], triggers]
  }
  dynamic "setting" {
    for_each = var.complex.tags
    iterator = it
    content { key = it.value }
  }
}

moved {
  from = null_resource.a
  to   = null_resource.r["a"]
}

import {
  to = null_resource.r["a"]
  id = "x"
}

check "c" {
  assert {
    condition     = true
    error_message = "no"
  }
}

variable "last" { type = string } # the file ends in a comment
