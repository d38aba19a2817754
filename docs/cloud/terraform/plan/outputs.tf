output "size" {
  description = "GB (10^9 bytes) of everything, GiB of memory, seconds of a load"
  value = {
    facts_gb          = local.facts_gb
    trees_gb          = local.trees_gb
    data_gb           = local.data_gb
    after_compact_gb  = local.compacted_gb
    files_gb          = var.trips * local.file_bytes / local.gb
    load_wal_gb       = var.trips * local.wal_bytes / local.gb
    volume_gb         = local.volume_gb
    backup_gb         = local.backup_gb
    memory_needed_gib = local.memory_needed
    load_seconds      = max(local.load_seconds, local.disk_seconds)
  }
}

output "enough_memory" {
  description = "Whether the trees fit into memory beside what else a server needs"
  value       = var.memory_gib >= local.memory_needed
}

output "cost" {
  description = "A month, in the currency of the prices"
  value = {
    machines = var.machines * (local.instance_month)
    volumes  = var.machines * (local.volume_month + local.root_month)
    backup   = local.backup_month
    cluster  = local.cluster_month
    month    = local.month
  }
}

output "row" {
  description = "The line of docs/cloud/README.md's table of costs"
  value = format("| %s | %s | %d | %d | %d | %d | %.2f | %.2f | %.2f | %.2f | **%.2f** |",
    var.trips >= 1000000000 ? "${var.trips / 1000000000} billion" : "${var.trips / 1000000} million",
    var.cluster_label, var.machines, var.memory_gib, local.volume_gb, ceil(local.backup_gb),
  var.machines * local.instance_month, var.machines * (local.volume_month + local.root_month), local.backup_month, local.cluster_month, local.month)
}

output "settings" {
  description = "postgresql.conf"
  value       = local.settings
}

output "user_data" {
  description = "What the machine runs at its first start"
  value       = local.user_data
}
