# What a machine for so many trips must hold, how PostgreSQL is set on it, how it sets itself up, and what it costs. No provider: `terraform test` runs here without a network.

terraform {
  required_version = ">= 1.9"
}

locals {
  # Bytes a trip, measured: bench/PROOF.md, bench/SCALE.md.
  fact_bytes        = 109
  tree_bytes        = 36
  merged_tree_bytes = 69 # while the room of merged runs waits to be used again
  wal_bytes         = 143
  file_bytes        = 129

  gb    = 1000 * 1000 * 1000
  gib   = 1024 * 1024 * 1024
  hours = 730 # of a month

  facts_gb       = var.trips * local.fact_bytes / local.gb
  trees_gb       = var.trips * local.tree_bytes / local.gb
  data_gb        = local.facts_gb + local.trees_gb
  compacted_gb   = local.facts_gb + var.trips * local.merged_tree_bytes / local.gb
  largest_file   = max(1, ceil(var.largest_file_trips * local.file_bytes / local.gb))
  inbox_gb       = local.largest_file * var.inbox_files
  wal_gb         = var.max_wal_size_gb * 2
  headroom       = 1.25
  volume_gb      = ceil((local.compacted_gb + local.largest_file + local.inbox_gb + local.wal_gb) * local.headroom)
  throughput     = max(125, var.throughput_mbps)
  memory_needed  = local.trees_gb * local.gb / local.gib + 4
  backup_copies  = ceil(var.retention_days / var.backup_every_days) + 1
  backup_gb      = (local.backup_copies * local.data_gb + var.trips_a_month * var.retention_days / 30 * local.wal_bytes / local.gb) * var.backup_ratio
  load_seconds   = var.trips / 2000000                                                                                     # where nothing but the processor is waited for
  disk_seconds   = var.trips * (local.wal_bytes + local.data_gb * local.gb / var.trips) / (local.throughput * 1000 * 1000) # WAL and pages, each once
  instance_month = local.hours * var.prices.machine_hour
  volume_month   = local.volume_gb * var.prices.volume_gb_month + (local.throughput - 125) * var.prices.volume_mbps_month
  root_month     = var.root_gb * var.prices.volume_gb_month
  backup_month   = local.backup_gb * var.prices.backup_gb_month
  cluster_month  = local.hours * var.prices.cluster_hour
  month          = var.machines * (local.instance_month + local.volume_month + local.root_month) + local.backup_month + local.cluster_month

  # A worker that watches, and for each job a worker and one that pushes its status; eight for the server's own.
  workers = 8 + 1 + 2 * var.max_jobs

  settings = {
    "shared_preload_libraries"      = "trips_ext"
    "listen_addresses"              = "*"
    "wal_level"                     = "replica" # at logical, loads go row by row
    "archive_mode"                  = "on"
    "archive_timeout"               = "15min"
    "archive_command"               = "barman-cloud-wal-archive --gzip s3://${var.bucket}/postgresql ${var.name} %p"
    "max_wal_size"                  = "${var.max_wal_size_gb}GB"
    "checkpoint_timeout"            = "15min"
    "shared_buffers"                = "${floor(var.memory_gib * 1024 / 4)}MB"
    "effective_cache_size"          = "${floor(var.memory_gib * 1024 * 3 / 4)}MB"
    "max_worker_processes"          = tostring(local.workers)
    "trips_ext.inbox_directory"     = "/srv/trips/inbox"
    "trips_ext.inbox_database"      = "trips"
    "trips_ext.inbox_role"          = "courier"
    "trips_ext.allowed_directories" = "/srv/trips/inbox"
    "trips_ext.max_jobs"            = tostring(var.max_jobs)
    "trips_ext.area_memory"         = "${var.area_memory_mb}MB"
  }

  configuration = join("\n", [for name, value in local.settings : "${name} = '${value}'"])

  user_data = templatefile("${path.module}/user-data.sh.tftpl", {
    name              = var.name
    bucket            = var.bucket
    volume_id         = replace(var.volume_id, "-", "")
    deb_url           = var.deb_url
    deb_sha256        = var.deb_sha256
    client_cidrs      = var.client_cidrs
    retention_days    = var.retention_days
    backup_every_days = var.backup_every_days
    configuration     = local.configuration
  })
}
