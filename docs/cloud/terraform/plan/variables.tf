variable "trips" {
  description = "Trips that the table will hold"
  type        = number

  validation {
    condition     = var.trips >= 1 && var.trips <= 10000000000
    error_message = "From one trip to ten billion: what lies above is more than one machine's (bench/SCALE.md)."
  }
}

variable "trips_a_month" {
  description = "Trips that come each month: their WAL lies in the bucket for retention_days"
  type        = number
  default     = 0
}

variable "largest_file_trips" {
  description = "Trips of the largest file: the server keeps what a client sends in a temporary file"
  type        = number
  default     = 10000000
}

variable "inbox_files" {
  description = "Files of that size that wait in the watched folder"
  type        = number
  default     = 2
}

variable "memory_gib" {
  description = "Memory of the machine"
  type        = number
}

variable "machines" {
  description = "Machines with a copy of the data: one, or the instances of a cluster"
  type        = number
  default     = 1
}

variable "root_gb" {
  description = "The machine's own disk"
  type        = number
  default     = 16
}

variable "throughput_mbps" {
  description = "Throughput of the volume in MB a second; gp3 has 125 without a surcharge"
  type        = number
  default     = 125

  validation {
    condition     = var.throughput_mbps <= 750
    error_message = "Above 750 MB a second a gp3 volume needs more than the 3,000 IOPS that it has without a surcharge, which this module leaves as they are."
  }
}

variable "max_wal_size_gb" {
  description = "max_wal_size; twice as much is kept free for WAL"
  type        = number
  default     = 4
}

variable "max_jobs" {
  description = "Ingests of the watched folder and trips_ingest_async at a time"
  type        = number
  default     = 2
}

variable "area_memory_mb" {
  description = "trips_ext.area_memory: more makes fewer and larger runs"
  type        = number
  default     = 176
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

variable "backup_ratio" {
  description = "Bytes in the bucket of each byte that is backed up: 1 without compression; what compression gives was not measured"
  type        = number
  default     = 1
}

variable "prices" {
  description = "List prices in one currency. Those of docs/cloud/README.md are examples with their sources and dates: put yours in their place"
  type = object({
    machine_hour      = number
    volume_gb_month   = number
    volume_mbps_month = optional(number, 0)
    backup_gb_month   = number
    cluster_hour      = optional(number, 0)
  })
  default = { machine_hour = 0, volume_gb_month = 0, backup_gb_month = 0 }
}

variable "name" {
  description = "Of the machine; its backups lie under this name in the bucket"
  type        = string
  default     = "trips"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "Lower-case letters, digits and hyphens."
  }
}

variable "bucket" {
  description = "Bucket of the backups"
  type        = string
  default     = ""
}

variable "volume_id" {
  description = "The volume that holds the data, vol-..."
  type        = string
  default     = ""
}

variable "deb_url" {
  description = "Where the Debian package of trips_ext is"
  type        = string
  default     = ""
}

variable "deb_sha256" {
  description = "Its SHA-256, which is checked before it is installed"
  type        = string
  default     = ""
}

variable "client_cidrs" {
  description = "Networks of the clients"
  type        = list(string)
  default     = []
}

variable "cluster_label" {
  description = "What the row of the table of costs calls the machines"
  type        = string
  default     = "machine"
}
