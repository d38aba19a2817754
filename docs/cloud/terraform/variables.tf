variable "name" {
  description = "Of the machine and what belongs to it"
  type        = string
  default     = "trips"
}

variable "subnet_id" {
  description = "A private subnet with a way out to the packages: a NAT gateway, and for the bucket a gateway endpoint of S3, which costs nothing"
  type        = string
}

variable "bucket" {
  description = "Name of the bucket for backups, which is made"
  type        = string
}

variable "deb_url" {
  description = "https address of the Debian package of trips_ext for PostgreSQL 17 on Debian 13, amd64"
  type        = string

  validation {
    condition     = can(regex("^https://[A-Za-z0-9._~:/?@!$&*+,;=%-]+\\.deb$", var.deb_url))
    error_message = "An https address that ends with .deb."
  }
}

variable "deb_sha256" {
  description = "Its SHA-256"
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.deb_sha256))
    error_message = "64 hexadecimal digits, as sha256sum prints them."
  }
}

variable "trips" {
  description = "Trips that the table will hold: the volume is made for them, and grows if this is raised"
  type        = number
}

variable "trips_a_month" {
  description = "Trips that come each month"
  type        = number
  default     = 0
}

variable "largest_file_trips" {
  description = "Trips of the largest file"
  type        = number
  default     = 10000000
}

variable "instance_type" {
  description = "x86-64: nothing of trips_ext was measured on another processor"
  type        = string
  default     = "r7i.large"
}

variable "memory_gib" {
  description = "Memory of that type"
  type        = number
  default     = 16
}

variable "throughput_mbps" {
  description = "Throughput of the volume in MB a second; 125 without a surcharge"
  type        = number
  default     = 125
}

variable "client_cidrs" {
  description = "IPv4 networks of the clients; none at first"
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : can(cidrnetmask(cidr)) && !endswith(cidr, "/0")])
    error_message = "IPv4 networks such as 10.0.0.0/16, and not all of the world."
  }
}

variable "ssh_cidrs" {
  description = "IPv4 networks of administrators; none at first"
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.ssh_cidrs : can(cidrnetmask(cidr)) && !endswith(cidr, "/0")])
    error_message = "IPv4 networks such as 10.0.0.0/24, and not all of the world."
  }
}

variable "key_name" {
  description = "Key pair for SSH; without one nobody logs in"
  type        = string
  default     = null
}

variable "retention_days" {
  description = "Days to any moment of which the server can be restored"
  type        = number
  default     = 14
}

variable "backup_every_days" {
  description = "Days from one base backup to the next"
  type        = number
  default     = 7
}

variable "deleted_days" {
  description = "Days for which the bucket keeps what was deleted in it; they cost as much as what was not"
  type        = number
  default     = 7
}

variable "prices" {
  description = "List prices, for the output cost"
  type = object({
    machine_hour      = number
    volume_gb_month   = number
    volume_mbps_month = optional(number, 0)
    backup_gb_month   = number
    cluster_hour      = optional(number, 0)
  })
  default = { machine_hour = 0, volume_gb_month = 0, backup_gb_month = 0 }
}
