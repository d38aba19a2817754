output "address" {
  description = "Private address of the server"
  value       = aws_instance.this.private_ip
}

output "backup_url" {
  description = "Where the backups lie: what barman-cloud-restore is told, with the name"
  value       = "s3://${aws_s3_bucket.backup.bucket}/postgresql"
}

output "size" {
  description = "What so many trips take"
  value       = module.plan.size
}

output "cost" {
  description = "A month, by the prices"
  value       = module.plan.cost
}
