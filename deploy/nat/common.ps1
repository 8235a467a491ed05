# Shared by virtualbox.ps1 and windows-portproxy.ps1. Each can be copied to the host alone, so `make assemble` puts all
# of this into both.

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false # PowerShell 7 would add its own lines to a program's failure
$ScriptName = $MyInvocation.MyCommand.Name

function Stop-Script([int] $Code, [string] $Text) {
    [Console]::Error.WriteLine("${ScriptName}: $Text")
    exit $Code
}

function Stop-Usage([string] $Text) { Stop-Script 2 "$Text; see $ScriptName --help" }

# Reads the command line itself: so both --dry-run and -DryRun work, like in the scripts for Linux
function Read-CommandLine([object[]] $Words, [string[]] $Values, [string[]] $Switches) {
    $found = @{ action = '' }
    foreach ($key in $Values) { $found[$key] = '' }
    foreach ($key in $Switches) { $found[$key] = $false }
    for ($i = 0; $i -lt $Words.Count; $i++) {
        $word = [string] $Words[$i]
        $key = ($word -replace '-', '').ToLowerInvariant()
        if ($word -notmatch '^-') {
            if (@('apply', 'status', 'undo') -notcontains $key) { Stop-Usage "$word is not an action" }
            if ($found['action'] -ne '') { Stop-Usage 'say only one of apply, status and undo' }
            $found['action'] = $key
        }
        elseif (@('help', 'h', '?') -contains $key) { Write-Help; exit 0 }
        elseif ($Switches -contains $key) { $found[$key] = $true }
        elseif ($Values -contains $key) {
            $i++
            if ($i -lt $Words.Count) { $found[$key] = [string] $Words[$i] }
            if ($found[$key] -eq '') { Stop-Usage "$word needs a value" }
        }
        else { Stop-Usage "$word is not an option" }
    }
    if ($found['action'] -eq '') { Stop-Usage 'say what to do: apply, status or undo' }
    if ($found['port'] -eq '') { $found['port'] = '12345' }
    if ($found['port'] -notmatch '^[1-9][0-9]{0,4}$' -or [int] $found['port'] -gt 65535) {
        Stop-Usage "--port $($found['port']): a whole number from 1 to 65535 is needed"
    }
    if ($found['address'] -ne '' -and -not (Test-IPv4 $found['address'])) {
        Stop-Usage "--address $($found['address']): an IPv4 address of this host is needed, like 10.0.108.42"
    }
    return $found
}

function Test-IPv4([string] $Text) {
    return $Text -match '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.|$)){4}$' -and $Text -notmatch '\.$'
}

# Run a program; return its exit code and its lines as text. Without the local preference, PowerShell 5.1 would end
# this script at the first line on standard error.
function Invoke-Tool([string] $Program, [string[]] $Words) {
    $ErrorActionPreference = 'Continue'
    $lines = @(& $Program $Words 2>&1 | ForEach-Object { [string] $_ })
    return @{ Code = $LASTEXITCODE; Lines = $lines }
}

# Run a program that changes something, or only show it
function Invoke-Change([string] $Program, [string[]] $Words, [string] $Hint) {
    $line = "$([IO.Path]::GetFileNameWithoutExtension($Program)) $($Words -join ' ')"
    if ($options['dryrun']) {
        Write-Output "+ $line"
        return
    }
    $done = Invoke-Tool $Program $Words
    if ($done['Code'] -ne 0) {
        $said = @($done['Lines'] | Where-Object { $_ -match '\S' }) + @('no reason given')
        Stop-Script 1 "$line failed: $($said[0].Trim()); $Hint"
    }
}

# Whether the ClassCord server answers there. An open port proves nothing: a forwarder accepts even without a server.
function Test-Answer([string] $At, [int] $Port) {
    $client = New-Object Net.Sockets.TcpClient
    try {
        $client.SendTimeout = 3000
        $client.ReceiveTimeout = 3000
        if (-not $client.ConnectAsync($At, $Port).Wait(3000)) { return $false } # Connect waits for up to 21 seconds
        $stream = $client.GetStream()
        $ping = [Text.Encoding]::ASCII.GetBytes('{"type":"ping"}' + "`n")
        $stream.Write($ping, 0, $ping.Length)
        $reader = New-Object IO.StreamReader($stream)
        return [bool] ($reader.ReadLine() -match '"(pong|server_full)"')
    }
    catch { return $false }
    finally { $client.Close() }
}

# Windows reserves ranges of ports for Hyper-V, WSL and Docker: no program may listen there. Returns the range around
# the port, or nothing. netsh marks with * the ranges that a person has set aside; programs may listen there. Its words
# are in the language of Windows, so this reads only numbers. Both scripts listen on IPv4 only.
function Find-Reservation([int] $Port) {
    $shown = Invoke-Tool 'netsh' @('interface', 'ipv4', 'show', 'excludedportrange', 'protocol=tcp')
    foreach ($line in $shown['Lines']) {
        if ($line -match '^\s*(\d+)\s+(\d+)\s*$' -and [int] $Matches[1] -le $Port -and $Port -le [int] $Matches[2]) {
            return "$($Matches[1]) to $($Matches[2])"
        }
    }
    return ''
}

# If Windows reserves the port, say what to type, and what to do then
function Show-Reservation([int] $Port, [string] $Then) {
    $range = Find-Reservation $Port
    if ($range -eq '') { return }
    Write-Output "Windows reserves the ports $range, so nothing can listen on port $Port. As administrator, type:"
    Write-Output '    net stop winnat'
    $only = "startport=$Port numberofports=1"
    Write-Output "    netsh int ipv4 add excludedportrange protocol=tcp $only store=persistent"
    Write-Output '    net start winnat'
    Write-Output "Then $Then. Between the first line and the third, WSL and Hyper-V have no network."
}

function Test-Listener { return [bool] (Get-NetTCPConnection -LocalPort $port -State Listen -ErrorAction SilentlyContinue) }

# What was seen, what remains, and the one place to look at next: the VM ($Place is vm, $Port its port), a desk, or this
# host. Host and VM must not send a person to each other for ever.
function Show-Next([string] $Place, [string] $Seen, [string] $Rest, [string] $Port) {
    Write-Output "Seen: $Seen. What remains: $Rest."
    if ($Place -eq 'desk') { Write-Output "Next, once, unless you come from there, at a desk: sh doctor.sh --from-slam ADDRESS_OF_THIS_HOST --port $Port" }
    elseif ($Place -eq 'host') { Write-Output 'Next: repair what is named above, then status again.' }
    else {
        Write-Output "Next, once, unless you come from there, in the VM: sudo make doctor PORT=$Port"
        Write-Output "If nothing is broken there, don't come back: look at the last of what remains."
    }
}

function Test-FirewallRule([string] $Rule) {
    return (Invoke-Tool 'netsh' @('advfirewall', 'firewall', 'show', 'rule', "name=$Rule"))['Code'] -eq 0
}
