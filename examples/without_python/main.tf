# Needs Terraform, which this repository does not bring: its tests read this file and compare it with the templates that it deploys.

variable "template_folder" {
  description = "What `make template` wrote: the provider's template and its zip"
  type        = string
}

variable "code_bucket" {
  description = "A bucket in the function's region"
  type        = string
}

variable "membership" {
  description = "The id of the membership"
  type        = string
}

variable "sales_table" {
  description = "The ARN of a configured table association"
  type        = string
}

locals {
  zip = one(fileset(var.template_folder, "privacy_budget_handler-*.zip"))
}

resource "aws_s3_object" "code" {
  bucket = var.code_bucket
  key    = local.zip
  source = "${var.template_folder}/${local.zip}"
}

resource "aws_cloudformation_stack" "provider" {
  name          = "privacy-budget-provider"
  template_body = file("${var.template_folder}/provider.yaml")
  capabilities  = ["CAPABILITY_IAM"]

  parameters = {
    CodeBucket = aws_s3_object.code.bucket
  }
}

resource "aws_cloudformation_stack" "budgets" {
  name          = "privacy-budgets"
  template_body = file("${path.module}/budget.yaml")

  parameters = {
    Provider   = aws_cloudformation_stack.provider.outputs["PublishedAs"]
    Membership = var.membership
    SalesTable = var.sales_table
    Epsilon    = 3
  }
}

output "privacy_arn" {
  value = aws_cloudformation_stack.budgets.outputs["PrivacyArn"]
}
