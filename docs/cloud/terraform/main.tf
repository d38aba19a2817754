# One machine of EC2 with PostgreSQL 17, PostGIS and trips_ext: the data on a gp3 volume of its own, backups and WAL in a bucket.
# What is computed, and what the machine runs at its first start, is in plan/, which needs no provider.

data "aws_subnet" "this" {
  id = var.subnet_id
}

# Debian's own images of Debian 13, whose packages have PostgreSQL 17 and PostGIS 3.5.
data "aws_ami" "debian" {
  owners      = ["136693071363"]
  most_recent = true

  filter {
    name   = "name"
    values = ["debian-13-amd64-*"]
  }
}

module "plan" {
  source = "./plan"

  name               = var.name
  trips              = var.trips
  trips_a_month      = var.trips_a_month
  largest_file_trips = var.largest_file_trips
  memory_gib         = var.memory_gib
  throughput_mbps    = var.throughput_mbps
  retention_days     = var.retention_days
  backup_every_days  = var.backup_every_days
  prices             = var.prices
  bucket             = aws_s3_bucket.backup.bucket
  volume_id          = aws_ebs_volume.data.id
  deb_url            = var.deb_url
  deb_sha256         = var.deb_sha256
  client_cidrs       = var.client_cidrs
}

# The volume's size must be known before the volume is: the module above is told its id.
module "size" {
  source = "./plan"

  trips              = var.trips
  largest_file_trips = var.largest_file_trips
  memory_gib         = var.memory_gib
  throughput_mbps    = var.throughput_mbps
}

resource "aws_ebs_volume" "data" {
  availability_zone = data.aws_subnet.this.availability_zone
  type              = "gp3"
  size              = ceil(module.size.size.volume_gb * 1000 * 1000 * 1000 / (1024 * 1024 * 1024))
  throughput        = max(125, var.throughput_mbps)
  encrypted         = true
  final_snapshot    = true
  tags              = { Name = "${var.name}-data" }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.this.id
}

resource "aws_instance" "this" {
  ami                         = data.aws_ami.debian.id
  instance_type               = var.instance_type
  subnet_id                   = var.subnet_id
  vpc_security_group_ids      = [aws_security_group.this.id]
  iam_instance_profile        = aws_iam_instance_profile.this.name
  key_name                    = var.key_name
  associate_public_ip_address = false
  user_data                   = module.plan.user_data
  tags                        = { Name = var.name }

  root_block_device {
    volume_type = "gp3"
    volume_size = 16
    encrypted   = true
  }

  # A process that is made to fetch an address for somebody else gets no credentials of the bucket.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  lifecycle {
    # A newer image, or another first start, is no reason to throw the machine away.
    ignore_changes = [ami, user_data]

    precondition {
      condition     = module.size.enough_memory
      error_message = "The trees of so many trips, ${ceil(module.size.size.trees_gb)} GB, do not fit into ${var.memory_gib} GiB beside what a server needs: ${ceil(module.size.size.memory_needed_gib)} GiB."
    }
  }
}

# Closed to the world: nobody comes in but the clients that are named, and nothing goes out but to packages and the bucket.
resource "aws_security_group" "this" {
  name_prefix = "${var.name}-"
  description = "PostgreSQL for ${var.name}"
  vpc_id      = data.aws_subnet.this.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "postgresql" {
  for_each = toset(var.client_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "PostgreSQL"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each = toset(var.ssh_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "SSH"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_vpc_security_group_egress_rule" "web" {
  for_each = toset(["80", "443"])

  security_group_id = aws_security_group.this.id
  description       = "Packages and the bucket"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.value)
  to_port           = tonumber(each.value)
}

resource "aws_iam_role" "this" {
  name_prefix = "${var.name}-"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "backup" {
  name_prefix = "backup-"
  role        = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
        Resource = aws_s3_bucket.backup.arn
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = "${aws_s3_bucket.backup.arn}/*"
      },
    ]
  })
}

resource "aws_iam_instance_profile" "this" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.this.name
}

resource "aws_s3_bucket" "backup" {
  bucket = var.bucket
}

resource "aws_s3_bucket_public_access_block" "backup" {
  bucket = aws_s3_bucket.backup.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# What the machine deletes, or is made to delete, stays for a while.
resource "aws_s3_bucket_versioning" "backup" {
  bucket = aws_s3_bucket.backup.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "backup" {
  bucket     = aws_s3_bucket.backup.id
  depends_on = [aws_s3_bucket_versioning.backup]

  rule {
    id     = "deleted"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.deleted_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}
