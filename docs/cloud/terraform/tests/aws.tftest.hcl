# The machine as it would be made, without an account: the provider's schema is real, what it answers is not.

mock_provider "aws" {
  mock_data "aws_subnet" {
    defaults = {
      availability_zone = "eu-central-1a"
      vpc_id            = "vpc-0123456789abcdef0"
    }
  }

  mock_data "aws_ami" {
    defaults = { id = "ami-0123456789abcdef0" }
  }

  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::trips-backup" }
  }
}

variables {
  subnet_id  = "subnet-0123456789abcdef0"
  bucket     = "trips-backup"
  deb_url    = "https://example.com/trips-ext_0.1.0_amd64.deb"
  deb_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  trips      = 100000000
}

run "closed_to_the_world" {
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.postgresql) == 0 && length(aws_vpc_security_group_ingress_rule.ssh) == 0
    error_message = "Nobody comes in unless the clients are named."
  }

  assert {
    condition     = aws_instance.this.associate_public_ip_address == false
    error_message = "The machine has no public address."
  }

  assert {
    condition     = aws_instance.this.metadata_options[0].http_tokens == "required"
    error_message = "The metadata service wants a token."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.backup.block_public_acls,
      aws_s3_bucket_public_access_block.backup.block_public_policy,
      aws_s3_bucket_public_access_block.backup.ignore_public_acls,
      aws_s3_bucket_public_access_block.backup.restrict_public_buckets,
    ])
    error_message = "The bucket is nobody else's."
  }
}

run "clients_that_are_named_come_in" {
  variables {
    client_cidrs = ["10.1.0.0/16", "10.2.0.0/16"]
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.postgresql : rule.cidr_ipv4]) == toset(["10.1.0.0/16", "10.2.0.0/16"])
    error_message = "Both networks reach the server."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.postgresql : rule.from_port == 5432 && rule.to_port == 5432])
    error_message = "They reach PostgreSQL, and nothing else."
  }
}

run "the_world_is_refused" {
  command = plan

  variables {
    client_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.client_cidrs]
}

run "the_data_lies_on_an_encrypted_volume_that_leaves_a_snapshot" {
  assert {
    condition     = aws_ebs_volume.data.encrypted && aws_ebs_volume.data.final_snapshot && aws_ebs_volume.data.type == "gp3"
    error_message = "gp3, encrypted, and a snapshot before it is destroyed."
  }

  assert {
    condition     = aws_ebs_volume.data.size >= 20
    error_message = "100 million trips take 17.8 GB after a compaction."
  }

  assert {
    condition     = strcontains(aws_instance.this.user_data, "vol0123456789abcdef0")
    error_message = "The machine looks for its volume by the volume's id."
  }
}

run "the_machine_writes_to_its_bucket_alone" {
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.backup.policy).Statement : startswith(statement.Resource, "arn:aws:s3:::trips-backup")
    ])
    error_message = "The instance's role has no right outside the bucket."
  }
}

run "trees_that_do_not_fit_into_memory_are_refused" {
  command = plan

  variables {
    trips      = 1000000000
    memory_gib = 16
  }

  expect_failures = [aws_instance.this]
}

run "a_package_comes_by_https" {
  command = plan

  variables {
    deb_url = "http://example.com/trips-ext_0.1.0_amd64.deb"
  }

  expect_failures = [var.deb_url]
}
